//! What can be wrong in inventory, and what the caller is told.

use chrono::NaiveDate;
use contracts::ids::{OrderLineId, ProductId, StockMoveId, WarehouseId};
use kernel::Error as KernelError;
use kernel::money::{AmountError, Currency, Money};
use kernel::quantity::Quantity;
use serde::Serialize;
use serde_json::json;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the SKU {sku} belongs to another product")]
    SkuTaken { sku: String },
    #[error("the barcode {barcode} belongs to {holder}")]
    BarcodeTaken { barcode: String, holder: String, pointer: String },
    #[error("{barcode} has not the check digit of a GTIN")]
    InvalidGtin { pointer: String, barcode: String },
    #[error("the external id {external_id} belongs to another product")]
    ExternalIdTaken { external_id: String },
    #[error("the code {code} belongs to another category")]
    CategoryCodeTaken { code: String },
    #[error("there is no such category")]
    UnknownCategory { pointer: String },
    #[error("the code {code} belongs to another template")]
    TemplateCodeTaken { code: String },
    #[error("there is no such template")]
    UnknownTemplate,
    #[error("a template has 1 to 10 attributes of 1 to 200 values, each named once")]
    InvalidAttributes { pointer: String },
    #[error("a variant has one of the values of each attribute of its template, and nothing else")]
    OptionsDoNotFit,
    #[error("{sku} is this variant")]
    VariantExists { sku: String },
    #[error("a unit is listed once, is not the product's own, and is 1 to 10⁹ over 1 to 10⁹ of it")]
    InvalidUnit { pointer: String },
    #[error("the product has no such unit")]
    UnknownUnit { pointer: String },
    #[error("the quantity cannot be written exactly in the other unit")]
    ConversionNotExact { pointer: String },
    #[error("a unit has at most 6 decimals, not {asked}")]
    TooManyUnitDecimals { asked: u8 },
    #[error("the code {code} belongs to another warehouse")]
    WarehouseCodeTaken { code: String },

    #[error("there is no such product")]
    UnknownProduct { pointer: String },
    #[error("there is no such warehouse")]
    UnknownWarehouse { pointer: String },
    #[error("{sku} is not active: nothing more is received of it")]
    ProductInactive { pointer: String, sku: String },
    #[error("{code} is not active: nothing more is received there")]
    WarehouseInactive { pointer: String, code: String },

    #[error("a document has at least one line")]
    NoLines,
    #[error("a document has at most {most} lines, not {count}")]
    TooManyLines { most: usize, count: usize },
    #[error("a line is listed twice")]
    DuplicateLine { pointer: String },
    #[error("a quantity of {sku} has at most {decimals} decimals ({unit})")]
    QuantityTooFine { pointer: String, sku: String, unit: String, decimals: i64 },
    #[error("the quantity must be greater than zero")]
    QuantityNotPositive { pointer: String },
    #[error("an adjustment of nothing changes nothing")]
    QuantityZero,
    #[error("more than can be kept")]
    TooLarge { pointer: String, source: AmountError },
    #[error("nothing is on hand to take the cost from: say what a unit costs")]
    UnitCostRequired,
    #[error("the cost is the average of what is on hand; it is said only where nothing is")]
    UnitCostNotAllowed,
    #[error("say either expires_at or ttl_s")]
    ExpiryUnclear,
    #[error("a reservation expires in the future, within {most_days} days")]
    ExpiryOutOfRange { pointer: &'static str, most_days: i64 },

    #[error("not enough stock of {}", list(.shortages))]
    InsufficientStock { shortages: Vec<Shortage> },
    #[error("the reservation belongs to an order: cancel the order or its line instead")]
    ReservationOfOrder,
    #[error("a promise is for today or later")]
    PromiseInPast,
    #[error("the backorder is filled or cancelled: nothing of it waits")]
    BackorderOver,
    #[error("the order is not confirmed: nothing is promised to it yet")]
    OrderNotConfirmed,
    #[error(
        "the move belongs to a document of its own: only receipts and adjustments made here \
             can be reversed"
    )]
    NotReversible,
    #[error("the stock has been valued anew since: what is left cannot give back this value")]
    ValueMoved,
    #[error("the move has been reversed by {by}")]
    AlreadyReversed { by: StockMoveId },

    #[error("the code {code} belongs to another reason")]
    ReasonCodeTaken { code: String },
    #[error("there is no such reason")]
    UnknownReason,
    #[error("a limit is in the currency of the books")]
    ForeignLimit,
    #[error("a limit is not negative")]
    NegativeLimit,
    #[error("an adjustment of {value} has to be approved: up to {limit} it need not be")]
    ApprovalRequired { value: Money, limit: Money },
    #[error("somebody else has to decide about what you have asked for")]
    OwnRequest,

    #[error("a tolerance is 0 to 100 percent")]
    InvalidTolerance,
    #[error("the product is not on the list of the count")]
    NotOnList { pointer: String },
    #[error("the quantity must not be negative")]
    QuantityNegative { pointer: String },
    #[error("{missing} products on the list are not counted")]
    CountIncomplete { missing: usize },
    #[error("what differs by more than the tolerance has to be counted twice")]
    RecountRequired { product_ids: Vec<ProductId> },
    #[error("more has left since than the count would leave: count again")]
    CountOutdated { product_ids: Vec<ProductId> },
    #[error("nothing of {product_id} is on hand to take the cost from: say what a unit costs")]
    CostOfFoundRequired { product_id: ProductId },

    #[error("there is no such receipt, or nothing of it stands")]
    UnknownReceipt,
    #[error("a cost is in the currency of the books")]
    ForeignCost,
    #[error("a cost is above zero")]
    CostNotPositive,
    #[error("what {sku} weighs is not known")]
    WeightUnknown { sku: String },

    #[error("the warehouse of what is in transit stays as it is")]
    WarehouseOfTransit,
    #[error("a transfer leads from one warehouse to another")]
    SameWarehouse,
    #[error("all of the transfer has come or is lost")]
    TransferOver,
    #[error("no more can come or be lost than is on its way")]
    MoreThanShipped { pointer: String },

    #[error("the stock is closed through {through}")]
    PeriodClosed { pointer: String, through: NaiveDate },
    #[error("only what is over can be closed: through yesterday at most")]
    PeriodNotOver,
    #[error("the stock is closed through {through}: that has to be reopened first")]
    LaterPeriodClosed { through: NaiveDate },

    #[error("the product has a rule in this warehouse")]
    RuleExists,
    #[error("the minimum is at most the target, and that at most the maximum")]
    RuleOutOfOrder { pointer: String },
    #[error("a lead time is at most 3650 days")]
    LeadTimeTooLong,
    #[error("somebody else has said so at the same time")]
    ChangedMeanwhile,

    #[error("a product is tracked as it is from when it was first stocked or ordered")]
    TrackingFixed,
    #[error("only what is counted in whole pieces has serial numbers")]
    SerialOfNoPieces,
    #[error("the serial number {number} is on hand")]
    SerialOnHand { number: String },
    #[error("a customer has the serial number {number}: it comes back by a return")]
    SerialAtCustomer { number: String },
    #[error("the customer was not sent the serial number {number}")]
    SerialNotSent { pointer: String, number: String },
    #[error("a serial number is of one piece")]
    SerialOfMany { pointer: String },
    #[error("a serial number is listed twice")]
    DuplicateSerial { pointer: String },
    #[error("a lot is counted twice")]
    DuplicateLot { pointer: String },
    #[error("the product is not tracked by lot or serial number")]
    LotsNotTracked { pointer: String },
    #[error("the lots do not add up to the quantity")]
    LotsDoNotAddUp { pointer: String },
    #[error("the lot has another date")]
    LotDiffers { pointer: String },
    #[error("the product has no such lot")]
    UnknownLot { pointer: String },
    #[error("the lot {number} is in quarantine, expired or recalled")]
    LotBlocked { pointer: String, number: String },
    #[error("{available} of the lot {number} can be had there")]
    InsufficientLot { pointer: String, number: String, available: Quantity },
    #[error("the lot is in a state that this does not lead from")]
    LotTransition,
    #[error("less of the move came without a lot")]
    NothingToIdentify,
    #[error("the code {code} belongs to another location of the warehouse")]
    LocationCodeTaken { code: String },
    #[error("the barcode {barcode} belongs to another location")]
    LocationBarcodeTaken { barcode: String },
    #[error("the warehouse has no such location")]
    UnknownLocation { pointer: String },
    #[error("the location is not active: nothing more is put there")]
    LocationInactive { pointer: String },
    #[error("a part of a location is of its kind")]
    OtherKind,
    #[error("a rule is for a product or for a category")]
    RuleOfBoth,
    #[error("there is a rule for the same")]
    PutAwayRuleExists,
    #[error("goods go from one location of a warehouse that has some to another")]
    NowhereToGo { pointer: String },
    #[error("the orders have nothing reserved there that is not on a list")]
    NothingToPick,
    #[error("no more is picked than is listed")]
    MoreThanListed { pointer: String },
    #[error("nothing of the list is left to pick")]
    PickingOver,

    #[error("a product has a standard cost if, and only if, it is valued at one")]
    StandardCostUnclear,
    #[error("the product is not valued at a standard cost")]
    NoStandardCost,

    #[error("a file of counts, and no other, is of one stock count")]
    StockCountUnclear,
    #[error("there is no such stock count")]
    UnknownStockCount,
    #[error("a date of expiry is that of a lot")]
    LotRequired,
    #[error("{column} of a product stays as it was first said")]
    FieldFixed { column: &'static str },
    #[error("a new product has a {column}")]
    ColumnMissing { column: &'static str },
    #[error("the file is not there yet")]
    ExportNotReady,
    #[error("the file has been thrown away: export again")]
    ExportForgotten,

    #[error("{sku} is a kit: only what it is made of is stocked")]
    ProductIsKit { pointer: String, sku: String },
    #[error("a kit is not counted: what it is made of is")]
    KitListed,
    #[error("a kit has at least one component")]
    NoComponents,
    #[error("a kit has at most {most} components")]
    TooManyComponents { most: usize },
    #[error("a component is listed twice")]
    DuplicateComponent { pointer: String },
    #[error("a kit is made of what is no kit")]
    ComponentIsKit { pointer: String },
    #[error("the product itself has been stocked, ordered or expected")]
    KitStocked,
    #[error("a kit is not tracked: what it is made of is")]
    KitTracked,
    #[error("a kit is counted in whole pieces")]
    KitWithDecimals,
    #[error("another kit is made of the product")]
    KitIsComponent,
    #[error("a kit is reserved, shipped and taken back whole")]
    KitInPieces,

    #[error("what is tracked by lot or serial number is never below nothing")]
    NegativeOfLots { pointer: &'static str },
    #[error("a warehouse with locations is never below nothing")]
    NegativeOfPlaces { pointer: &'static str },
    #[error("there is less than nothing: take in or correct that first")]
    BelowNothing { levels: Vec<(ProductId, WarehouseId)> },
    #[error("what goes below nothing goes at what the last cost, and there has been none")]
    CostUnknown,

    #[error("days are 1 to 3650")]
    DaysOutOfRange,
    #[error("a period ends after it begins")]
    PeriodBackwards,

    // These answer events, not callers: something is broken, and somebody should look.
    #[error("{asked} of {sku} was shipped and is not there")]
    NotEnoughToShip { sku: String, asked: Quantity },
    #[error("more came back of order line {order_line_id} than was shipped")]
    ReturnedTooMuch { order_line_id: OrderLineId },
    #[error("the receipt is in {currency}, the books are not")]
    ForeignCurrency { currency: Currency },
}

/// Where less is available than was asked for.
#[derive(Debug, Serialize)]
pub(crate) struct Shortage {
    pub product_id: ProductId,
    pub sku: String,
    pub warehouse_id: WarehouseId,
    pub asked: Quantity,
    pub available: Quantity,
}

fn list(shortages: &[Shortage]) -> String {
    let first: Vec<_> = shortages
        .iter()
        .take(3)
        .map(|s| format!("{} ({} asked, {} available)", s.sku, s.asked, s.available))
        .collect();
    let more = if shortages.len() > first.len() { " and others" } else { "" };
    format!("{}{more}", first.join(", "))
}

/// For arithmetic that only a broken database could make fail.
pub(crate) fn internal(error: AmountError) -> KernelError {
    KernelError::internal(error)
}

impl From<Error> for KernelError {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        let taken = |code, pointer: &str| {
            KernelError::conflict(code, &detail).with_field(pointer, code, &detail)
        };
        let invalid = |code, pointer: &str| KernelError::invalid(code, pointer, &detail);
        let conflict = |code| KernelError::conflict(code, &detail);
        match error {
            Error::SkuTaken { .. } => taken("sku_taken", "/sku"),
            Error::BarcodeTaken { pointer, .. } => taken("barcode_taken", &pointer),
            Error::InvalidGtin { pointer, .. } => invalid("invalid_gtin", &pointer),
            Error::ExternalIdTaken { .. } => taken("external_id_taken", "/external_id"),
            Error::CategoryCodeTaken { .. } => taken("category_code_taken", "/code"),
            Error::UnknownCategory { pointer } => invalid("unknown_category", &pointer),
            Error::TemplateCodeTaken { .. } => taken("template_code_taken", "/code"),
            Error::UnknownTemplate => invalid("unknown_template", "/template_id"),
            Error::InvalidAttributes { pointer } => invalid("invalid_attributes", &pointer),
            Error::OptionsDoNotFit => invalid("options_do_not_fit", "/options"),
            Error::VariantExists { .. } => taken("variant_exists", "/options"),
            Error::InvalidUnit { pointer } => invalid("invalid_unit", &pointer),
            Error::UnknownUnit { pointer } => invalid("unknown_unit", &pointer),
            Error::ConversionNotExact { pointer } => invalid("conversion_not_exact", &pointer),
            Error::TooManyUnitDecimals { .. } => {
                invalid("too_many_unit_decimals", "/unit_decimals")
            }
            Error::WarehouseCodeTaken { .. } => taken("warehouse_code_taken", "/code"),
            Error::UnknownProduct { pointer } => invalid("unknown_product", &pointer),
            Error::UnknownWarehouse { pointer } => invalid("unknown_warehouse", &pointer),
            Error::ProductInactive { pointer, .. } => invalid("product_inactive", &pointer),
            Error::WarehouseInactive { pointer, .. } => invalid("warehouse_inactive", &pointer),
            Error::NoLines => invalid("no_lines", "/lines"),
            Error::TooManyLines { .. } => invalid("too_many_lines", "/lines"),
            Error::DuplicateLine { pointer } => invalid("duplicate_line", &pointer),
            Error::QuantityTooFine { pointer, .. } => invalid("quantity_too_fine", &pointer),
            Error::QuantityNotPositive { pointer } => invalid("quantity_not_positive", &pointer),
            Error::QuantityZero => invalid("quantity_zero", "/quantity"),
            Error::TooLarge { pointer, source } => {
                invalid("amount_overflow", &pointer).with_source(source)
            }
            Error::UnitCostRequired => invalid("unit_cost_required", "/unit_cost"),
            Error::UnitCostNotAllowed => invalid("unit_cost_not_allowed", "/unit_cost"),
            Error::ExpiryUnclear => invalid("expiry_unclear", "/expires_at"),
            Error::ExpiryOutOfRange { pointer, .. } => invalid("expiry_out_of_range", pointer),
            Error::InsufficientStock { shortages } => {
                conflict("insufficient_stock").with_params(json!({ "shortages": shortages }))
            }
            Error::ReservationOfOrder => conflict("reservation_of_order"),
            Error::PromiseInPast => invalid("date_in_past", "/promised_on"),
            Error::BackorderOver => conflict("backorder_over"),
            Error::OrderNotConfirmed => conflict("order_not_confirmed"),
            Error::NotReversible => conflict("not_reversible"),
            Error::ValueMoved => conflict("value_moved"),
            Error::AlreadyReversed { by } => {
                conflict("already_reversed").with_params(json!({ "reversed_by": by }))
            }
            Error::ReasonCodeTaken { .. } => taken("reason_code_taken", "/code"),
            Error::UnknownReason => invalid("unknown_reason", "/reason_code"),
            Error::ForeignLimit => invalid("currency_not_supported", "/approval_above/currency"),
            Error::NegativeLimit => invalid("amount_negative", "/approval_above/amount"),
            Error::ApprovalRequired { limit, .. } => {
                conflict("approval_required").with_params(json!({ "approval_above": limit }))
            }
            Error::OwnRequest => conflict("own_request"),
            Error::InvalidTolerance => invalid("invalid_tolerance", "/tolerance_percent"),
            Error::NotOnList { pointer } => invalid("not_on_list", &pointer),
            Error::QuantityNegative { pointer } => invalid("quantity_negative", &pointer),
            Error::CountIncomplete { missing } => {
                conflict("count_incomplete").with_params(json!({ "missing": missing }))
            }
            Error::RecountRequired { product_ids } => {
                conflict("recount_required").with_params(json!({ "product_ids": product_ids }))
            }
            Error::CountOutdated { product_ids } => {
                conflict("count_outdated").with_params(json!({ "product_ids": product_ids }))
            }
            Error::CostOfFoundRequired { product_id } => {
                KernelError::new(422, "unit_cost_required", &detail)
                    .with_params(json!({ "product_id": product_id }))
            }
            Error::UnknownReceipt => invalid("unknown_receipt", "/source_id"),
            Error::ForeignCost => invalid("currency_not_supported", "/amount/currency"),
            Error::CostNotPositive => invalid("amount_not_positive", "/amount/amount"),
            Error::WeightUnknown { .. } => invalid("weight_unknown", "/basis"),
            Error::WarehouseOfTransit => conflict("warehouse_of_transit"),
            Error::SameWarehouse => invalid("same_warehouse", "/to_warehouse_id"),
            Error::TransferOver => conflict("transfer_over"),
            Error::MoreThanShipped { pointer } => invalid("more_than_shipped", &pointer),
            Error::PeriodClosed { pointer, through } => invalid("stock_period_closed", &pointer)
                .with_params(json!({ "closed_through": through })),
            Error::PeriodNotOver => invalid("period_not_over", "/through"),
            Error::LaterPeriodClosed { through } => {
                conflict("later_period_closed").with_params(json!({ "closed_through": through }))
            }
            Error::RuleExists => conflict("rule_exists"),
            Error::RuleOutOfOrder { pointer } => invalid("rule_out_of_order", &pointer),
            Error::LeadTimeTooLong => invalid("lead_time_too_long", "/lead_time_days"),
            Error::ChangedMeanwhile => conflict("changed_meanwhile"),
            Error::TrackingFixed => taken("tracking_fixed", "/tracking"),
            Error::SerialOfNoPieces => invalid("serial_of_no_pieces", "/tracking"),
            Error::SerialOnHand { number } | Error::SerialAtCustomer { number } => {
                conflict("serial_on_hand").with_params(json!({ "number": number }))
            }
            Error::SerialNotSent { pointer, .. } => invalid("unknown_lot", &pointer),
            Error::SerialOfMany { pointer } => invalid("serial_of_many", &pointer),
            Error::DuplicateSerial { pointer } => invalid("duplicate_serial", &pointer),
            Error::DuplicateLot { pointer } => invalid("duplicate_lot", &pointer),
            Error::LotsNotTracked { pointer } => invalid("lots_not_tracked", &pointer),
            Error::LotsDoNotAddUp { pointer } => invalid("lots_do_not_add_up", &pointer),
            Error::LotDiffers { pointer } => invalid("lot_differs", &pointer),
            Error::UnknownLot { pointer } => invalid("unknown_lot", &pointer),
            Error::LotBlocked { pointer, number } => {
                taken("lot_blocked", &pointer).with_params(json!({ "number": number }))
            }
            Error::InsufficientLot { pointer, number, available } => {
                let params = json!({ "number": number, "available": available });
                taken("insufficient_lot", &pointer).with_params(params)
            }
            Error::LotTransition => conflict("lot_transition"),
            Error::NothingToIdentify => conflict("nothing_to_identify"),
            Error::LocationCodeTaken { .. } => taken("location_code_taken", "/code"),
            Error::LocationBarcodeTaken { .. } => taken("location_barcode_taken", "/barcode"),
            Error::UnknownLocation { pointer } => invalid("unknown_location", &pointer),
            Error::LocationInactive { pointer } => invalid("location_inactive", &pointer),
            Error::OtherKind => invalid("other_kind", "/kind"),
            Error::RuleOfBoth => invalid("rule_of_both", "/category_id"),
            Error::PutAwayRuleExists => conflict("put_away_rule_exists"),
            Error::NowhereToGo { pointer } => invalid("nowhere_to_go", &pointer),
            Error::NothingToPick => conflict("nothing_to_pick"),
            Error::MoreThanListed { pointer } => invalid("more_than_listed", &pointer),
            Error::PickingOver => conflict("picking_over"),
            Error::StandardCostUnclear => invalid("standard_cost_unclear", "/standard_cost"),
            Error::NoStandardCost => conflict("no_standard_cost"),
            Error::StockCountUnclear => invalid("stock_count_unclear", "?stock_count_id"),
            Error::UnknownStockCount => invalid("unknown_stock_count", "?stock_count_id"),
            Error::LotRequired => invalid("lot_required", "/lot"),
            Error::FieldFixed { column } => invalid("field_fixed", &format!("/{column}")),
            Error::ColumnMissing { column } => invalid("missing_field", &format!("/{column}")),
            Error::ExportNotReady => conflict("export_not_ready"),
            Error::ExportForgotten => conflict("export_forgotten"),
            Error::ProductIsKit { pointer, .. } => invalid("product_is_kit", &pointer),
            Error::KitListed => invalid("product_is_kit", "/product_ids"),
            Error::NoComponents => invalid("no_components", "/components"),
            Error::TooManyComponents { .. } => invalid("too_many_components", "/components"),
            Error::DuplicateComponent { pointer } => invalid("duplicate_component", &pointer),
            Error::ComponentIsKit { pointer } => invalid("component_is_kit", &pointer),
            Error::KitStocked => conflict("kit_stocked"),
            Error::KitTracked => conflict("kit_tracked"),
            Error::KitWithDecimals => conflict("kit_in_pieces"),
            Error::KitIsComponent => conflict("kit_is_component"),
            Error::KitInPieces => invalid("quantity_too_fine", "/lines"),
            Error::NegativeOfLots { pointer } => taken("negative_stock_of_lots", pointer),
            Error::NegativeOfPlaces { pointer } => taken("negative_stock_of_places", pointer),
            Error::BelowNothing { levels } => {
                let level = |(product_id, warehouse_id): &(ProductId, WarehouseId)| json!({ "product_id": product_id, "warehouse_id": warehouse_id });
                let levels: Vec<_> = levels.iter().map(level).collect();
                conflict("stock_below_nothing").with_params(json!({ "levels": levels }))
            }
            Error::CostUnknown => invalid("cost_unknown", "/quantity"),
            Error::DaysOutOfRange => invalid("days_out_of_range", "days"),
            Error::PeriodBackwards => invalid("period_backwards", "from"),
            Error::NotEnoughToShip { .. } => conflict("insufficient_stock"),
            Error::ReturnedTooMuch { .. } => conflict("returned_too_much"),
            Error::ForeignCurrency { .. } => conflict("currency_not_supported"),
        }
    }
}
