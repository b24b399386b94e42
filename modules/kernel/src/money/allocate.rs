//! Splitting a rounded amount so that the parts add up to it again.

use std::cmp::Reverse;

/// Splits `total` by `weights`, one share each in their order; the shares sum to `total` exactly
/// and each is less than one away from its exact part.
///
/// Largest remainder, ties to the earlier weight. Changing the sign of the total changes that of
/// every share and nothing else, so credits mirror. Weights may differ in sign, as lines of an
/// invoice with a deduction do. Where there is no proportion to go by (weights that sum to zero,
/// to more than an i128, or so nearly to zero that a share exceeds an i64) the first takes all.
pub fn allocate(total: i64, weights: &[i128]) -> Vec<i64> {
    by_weight(total, weights).unwrap_or_else(|| {
        let mut shares = vec![0; weights.len()];
        if let Some(first) = shares.first_mut() {
            *first = total;
        }
        shares
    })
}

fn by_weight(total: i64, weights: &[i128]) -> Option<Vec<i64>> {
    let sum = weights.iter().try_fold(0_i128, |sum, weight| sum.checked_add(*weight))?;
    if sum == 0 {
        return None;
    }
    let mut parts = Vec::with_capacity(weights.len());
    let mut left = i128::from(total.unsigned_abs());
    for weight in weights {
        let (share, rest) = floor_part(total.unsigned_abs(), *weight, sum)?;
        left = left.checked_sub(share)?;
        parts.push((share, rest));
    }

    let mut by_rest: Vec<usize> = (0..parts.len()).collect();
    by_rest.sort_by_key(|index| Reverse(parts[*index].1));
    // Every floor lost less than one, so fewer than `parts.len()` are left.
    for index in by_rest.into_iter().take(usize::try_from(left).ok()?) {
        parts[index].0 += 1;
    }
    let sign = i128::from(total.signum());
    parts.into_iter().map(|(share, _)| i64::try_from(share * sign).ok()).collect()
}

/// Floor of `total * weight / sum` and the rest over |`sum`|; `None` where that exceeds an i128.
fn floor_part(total: u64, weight: i128, sum: i128) -> Option<(i128, u128)> {
    let divisor = sum.unsigned_abs();
    let whole = (weight.unsigned_abs() / divisor).checked_mul(u128::from(total))?;
    let (part, rest) = mul_div(total, weight.unsigned_abs() % divisor, divisor);
    let magnitude = i128::try_from(whole.checked_add(part)?).ok()?;
    match (weight < 0) == (sum < 0) {
        true => Some((magnitude, rest)),
        false if rest == 0 => Some((-magnitude, 0)),
        false => Some((-magnitude - 1, divisor - rest)),
    }
}

/// `factor * value / divisor` and the rest, for `value < divisor <= 2^127`.
///
/// The product may need 192 bits, so it is built bit by bit and reduced on the way.
fn mul_div(factor: u64, value: u128, divisor: u128) -> (u128, u128) {
    let (mut quotient, mut rest) = (0, 0);
    for bit in (0..u64::BITS).rev() {
        quotient *= 2;
        rest *= 2;
        for addend in [0, value * u128::from((factor >> bit) & 1)] {
            rest += addend;
            if rest >= divisor {
                rest -= divisor;
                quotient += 1;
            }
        }
    }
    (quotient, rest)
}
