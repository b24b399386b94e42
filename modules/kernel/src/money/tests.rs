//! What money, prices and percentages promise as text, in JSON and in arithmetic.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use proptest::prelude::*;
use serde_json::{Value, json};
use utoipa::PartialSchema;

use super::{AmountError, Currency, Money, Percent, UnitPrice, format_scaled, parse_scaled};
use crate::quantity::Quantity;

mod arithmetic;
mod openapi;

pub(crate) fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

/// Reads `text` as `T` and compares what it prints, or why it is refused.
pub(crate) fn check<T>(text: &str, expected: Result<&str, AmountError>)
where
    T: FromStr<Err = AmountError> + Display,
{
    let read = text.parse::<T>().map(|value| value.to_string());
    assert_eq!(read, expected.map(str::to_owned), "{text:?}");
}

/// Any text the published pattern admits, as a schema-driven client would send it.
pub(crate) fn admitted_by<T: PartialSchema>() -> impl Strategy<Value = String> {
    let schema = json!(T::schema());
    let pattern = schema["pattern"].as_str().unwrap();
    let max_length = schema["maxLength"].as_u64().unwrap() as usize;
    // proptest generates from the pattern without its anchors.
    proptest::string::string_regex(pattern.trim_matches(['^', '$']))
        .unwrap()
        .prop_filter("maxLength", move |text| text.len() <= max_length)
}

/// Text the pattern admits is read, and the value survives being printed and read back.
pub(crate) fn check_admitted<T>(text: &str)
where
    T: FromStr<Err = AmountError> + Display + Debug + PartialEq,
{
    let value: T = text.parse().expect(text);
    assert_eq!(value.to_string().parse(), Ok(value));
}

#[test]
fn only_plain_decimal_text_is_a_number() {
    let refused = [
        "", "-", ".", "+1", "1e3", "1E3", "00", "01", "-01", "1.", ".5", "-.5", "1.2.3", "--1",
        " 1", "1 ", "1\n", "1,5", "1_000", "1-", "0x1", "١", "½", "NaN", "inf", "1.-5", "1.+5",
    ];
    for text in refused {
        assert_eq!(parse_scaled(text, 6, 9), Err(AmountError::NotADecimal), "{text:?}");
    }
}

#[test]
fn a_decimal_is_bounded_on_both_sides_of_the_point() {
    let check = |text, scale, digits, expected| {
        assert_eq!(parse_scaled(text, scale, digits), expected, "{text:?}");
    };
    check("0", 6, 9, Ok(0));
    check("-0", 6, 9, Ok(0));
    check("-0.000000", 6, 9, Ok(0));
    check("1.5", 6, 9, Ok(1_500_000));
    check("-1.000001", 6, 9, Ok(-1_000_001));
    check("12", 0, 2, Ok(12));
    check("999999999.999999", 6, 9, Ok(999_999_999_999_999));
    check("9223372036854775807", 0, 19, Ok(i64::MAX));
    check("9223372036854775808", 0, 19, Err(AmountError::OutOfRange));
    check("1000000000", 6, 9, Err(AmountError::TooManyDigits { allowed: 9 }));
    check("1.0000000", 6, 9, Err(AmountError::TooManyDecimals { allowed: 6 }));
    check("1.0", 0, 9, Err(AmountError::TooManyDecimals { allowed: 0 }));
}

#[test]
fn a_unit_price_shows_two_to_six_decimals_and_is_never_negative() {
    check::<UnitPrice>("12.5", Ok("12.50"));
    check::<UnitPrice>("12", Ok("12.00"));
    check::<UnitPrice>("0.123456", Ok("0.123456"));
    check::<UnitPrice>("0.120000", Ok("0.12"));
    check::<UnitPrice>("999999999.999999", Ok("999999999.999999"));
    check::<UnitPrice>("-0.01", Err(AmountError::Negative));
    check::<UnitPrice>("-0", Err(AmountError::Negative));
    check::<UnitPrice>("1000000000", Err(AmountError::TooManyDigits { allowed: 9 }));
    check::<UnitPrice>("0.0000001", Err(AmountError::TooManyDecimals { allowed: 6 }));
}

#[test]
fn a_percentage_lies_between_nothing_and_the_whole() {
    check::<Percent>("22", Ok("22"));
    check::<Percent>("5.50", Ok("5.5"));
    check::<Percent>("0", Ok("0"));
    check::<Percent>("0.0001", Ok("0.0001"));
    check::<Percent>("100.0000", Ok("100"));
    check::<Percent>("100.0001", Err(AmountError::AboveHundredPercent));
    check::<Percent>("1000", Err(AmountError::AboveHundredPercent));
    check::<Percent>("-1", Err(AmountError::Negative));
    check::<Percent>("5.00001", Err(AmountError::TooManyDecimals { allowed: 4 }));
    assert_eq!("22".parse::<Percent>().unwrap().ppm(), 220_000);
}

#[test]
fn a_currency_needs_a_minor_unit() {
    let check = |code, exponent| {
        check::<Currency>(code, Ok(code));
        assert_eq!(currency(code).exponent(), exponent, "{code}");
    };
    check("EUR", 2);
    check("JPY", 0);
    check("KWD", 3);
    check("CLF", 4);
    for code in ["", "eur", "EURO", "QQQ", " EUR"] {
        self::check::<Currency>(code, Err(AmountError::UnknownCurrency));
    }
    for code in ["XAU", "XXX", "XTS"] {
        self::check::<Currency>(code, Err(AmountError::NoMinorUnit { code }));
    }
}

#[test]
fn money_carries_the_decimals_of_its_currency() {
    let check = |amount: &str, code: &str, minor: i64, written: &str| {
        let money: Money =
            serde_json::from_value(json!({"amount": amount, "currency": code})).unwrap();
        assert_eq!(money, Money::new(minor, currency(code)));
        assert_eq!(json!(money), json!({"amount": written, "currency": code}));
        assert_eq!(money.to_string(), format!("{written} {code}"));
    };
    check("12.34", "EUR", 1234, "12.34");
    check("12", "EUR", 1200, "12.00");
    check("12.3", "EUR", 1230, "12.30");
    check("-0.05", "EUR", -5, "-0.05");
    check("-0", "EUR", 0, "0.00");
    check("12345", "JPY", 12345, "12345");
    check("1.234", "KWD", 1234, "1.234");
    check("9999999999999.9999", "CLF", 99_999_999_999_999_999, "9999999999999.9999");
}

#[test]
fn money_is_refused_with_a_reason() {
    let check = |json: Value, reason: &str| {
        let refused = serde_json::from_value::<Money>(json).unwrap_err().to_string();
        assert!(refused.contains(reason), "{refused}");
    };
    let eur = |amount: &str| json!({"amount": amount, "currency": "EUR"});
    check(eur("12.345"), "more decimals than EUR allows");
    check(json!({"amount": "1.0", "currency": "JPY"}), "more decimals than JPY allows");
    check(eur("1e3"), "plain decimal number");
    check(eur("+1"), "plain decimal number");
    check(eur(" 1"), "plain decimal number");
    check(eur(""), "plain decimal number");
    check(eur("10000000000000"), "more than 13 digits");
    check(json!({"amount": 12.34, "currency": "EUR"}), "expected a string");
    check(json!({"amount": "1", "currency": "XAU"}), "no minor unit");
    check(json!({"amount": "1", "currency": "eur"}), "not a currency");
    check(json!({"amount": "1"}), "missing field `currency`");
    check(json!({"amount": "1", "currency": "EUR", "tax": "0"}), "unknown field `tax`");
}

#[test]
fn integers_go_into_bigint_columns_and_codes_into_text() {
    use sea_orm::sea_query::{ColumnType, ValueType};
    assert_eq!(UnitPrice::column_type(), ColumnType::BigInteger);
    assert_eq!(Percent::column_type(), ColumnType::BigInteger);
    assert_eq!(Quantity::column_type(), ColumnType::BigInteger);
    assert_eq!(Currency::column_type(), ColumnType::Text);
}

#[tokio::test]
async fn prices_percentages_and_currencies_are_kept_as_columns() {
    use super::Rounding;
    use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel};

    mod offer {
        use crate::money::{Currency, Percent, Rounding, UnitPrice};
        use crate::quantity::Quantity;
        use sea_orm::entity::prelude::*;

        #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
        #[sea_orm(table_name = "offer")]
        pub struct Model {
            #[sea_orm(primary_key, auto_increment = false)]
            pub currency: Currency,
            pub price: UnitPrice,
            pub discount: Option<Percent>,
            pub quantity: Quantity,
            pub rounding: Rounding,
        }

        #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
        pub enum Relation {}

        impl ActiveModelBehavior for ActiveModel {}
    }

    let db = sea_orm::Database::connect("sqlite::memory:").await.unwrap();
    let table =
        sea_orm::Schema::new(db.get_database_backend()).create_table_from_entity(offer::Entity);
    db.execute(&table).await.unwrap();
    let stored = offer::Model {
        currency: Currency::EUR,
        price: "0.123456".parse().unwrap(),
        discount: Some("5.5".parse().unwrap()),
        quantity: "-1.5".parse().unwrap(),
        rounding: Rounding::HalfEven,
    };
    stored.clone().into_active_model().insert(&db).await.unwrap();
    let found = offer::Entity::find_by_id(Currency::EUR).one(&db).await;
    assert_eq!(found.unwrap(), Some(stored));
}

proptest! {
    #[test]
    fn formatting_and_parsing_are_inverse(
        value in any::<i64>(),
        scale in 0_u32..=18,
        cut in 0_u32..=18,
    ) {
        prop_assume!(value != i64::MIN);
        let text = format_scaled(value, scale, cut.min(scale));
        prop_assert_eq!(parse_scaled(&text, scale, 19), Ok(value));
    }

    #[test]
    fn the_parser_never_panics(
        text in "[-+.0-9eE]{0,24}",
        scale in 0_u32..=18,
        digits in 0_u32..=19,
    ) {
        let _ = parse_scaled(&text, scale, digits);
    }

    #[test]
    fn every_unit_price_its_pattern_admits_is_read(text in admitted_by::<UnitPrice>()) {
        check_admitted::<UnitPrice>(&text);
    }

    #[test]
    fn every_percentage_its_pattern_admits_is_read(text in admitted_by::<Percent>()) {
        check_admitted::<Percent>(&text);
    }

    #[test]
    fn every_amount_the_pattern_admits_fits_the_finest_currency(text in amount_pattern()) {
        let money: Money =
            serde_json::from_value(json!({"amount": text, "currency": "CLF"})).unwrap();
        prop_assert_eq!(serde_json::from_value::<Money>(json!(money)).unwrap(), money);
    }
}

fn amount_pattern() -> impl Strategy<Value = String> {
    struct Amount;
    impl PartialSchema for Amount {
        fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
            serde_json::from_value(json!(Money::schema())["properties"]["amount"].take()).unwrap()
        }
    }
    admitted_by::<Amount>()
}
