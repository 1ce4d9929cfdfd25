//! Gives every Salesforce lead to the right rep at once.
