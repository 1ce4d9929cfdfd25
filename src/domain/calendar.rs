//! Business calendars.

/// Opening hours.
#[derive(Clone, Debug, PartialEq)]
pub struct Calendar;
