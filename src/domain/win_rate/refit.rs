//! How much effects differ, fitted to what is believed of them (MacKay 1992: the fixed point of the evidence).

use super::features::GROUPS_MAX;

/// The starting values count as so many effects in the re-fit.
const PSEUDO_EFFECTS: f64 = 4.0;
/// And as so many in the fit of their common scale.
const PSEUDO_SCALE: f64 = 8.0;
/// Variances are taken over when one differs by more than this factor.
const SLACK: f64 = 1.2;

/// Variances by group from the sums of squares of the effects, and from how many of them the data determine.
pub(super) fn fixed_point(
    power: &[f64; GROUPS_MAX],
    strength: &[f64; GROUPS_MAX],
    start: &[f64; GROUPS_MAX],
) -> [f64; GROUPS_MAX] {
    // How much they differ in all, in units of the start, is known long before the groups are.
    let units: f64 = power.iter().zip(start).map(|(power, start)| power / start).sum();
    let scale = (units + PSEUDO_SCALE) / (strength.iter().sum::<f64>() + PSEUDO_SCALE);
    std::array::from_fn(|group| {
        let power = power[group] + PSEUDO_EFFECTS * scale * start[group];
        (power / (strength[group] + PSEUDO_EFFECTS)).clamp(1e-4, 1.0)
    })
}

/// Whether one of the variances differs enough to matter.
pub(super) fn differ(variances: &[f64; GROUPS_MAX], others: &[f64; GROUPS_MAX]) -> bool {
    let far = |(one, other): (&f64, &f64)| (one / other).max(other / one) > SLACK;
    variances.iter().zip(others).any(far)
}
