//! The file over the default, and every fault of a bad one.

use super::*;

#[test]
fn a_file_changes_what_it_names_and_leaves_the_rest() {
    let text = r#"
        currency = "EUR"
        [objects.Lead.fields]
        product = ["Interest__c", "ProductInterest__c"]
        website = ""
        [objects.Lead.attributes]
        segment = "Segment__c"
        [objects.Opportunity.stages]
        won = ["Active", "Archived Won"]
        [objects.Task]
        to = "none"
        [objects.Inquiry__c]
        to = "lead"
        [objects.Inquiry__c.fields]
        company = "Firm__c"
    "#;
    let mapping = parse(text).expect("valid");
    let lead = mapping.object("Lead").expect("standard");
    assert_eq!(lead.sources("product"), ["Interest__c", "ProductInterest__c"]);
    assert_eq!(lead.sources("company"), ["Company"]);
    assert!(lead.sources("website").is_empty());
    assert!(lead.keeps("Segment__c") && !lead.is_attribute("Segment__c"));
    assert!(lead.is_attribute("Other__c") && !lead.keeps("Description"));
    assert_eq!(
        mapping.object("Opportunity").map(|it| it.lost.clone()),
        Some(vec!["Closed Lost".into()])
    );
    assert!(mapping.object("Task").is_none());
    assert_eq!(mapping.of(Target::Lead).count(), 2);
    assert_eq!(mapping.currency.as_deref(), Some("EUR"));
}

#[test]
fn every_fault_is_named_at_once() {
    let text = r#"
        colour = 1
        [objects.Lead]
        bogus = true
        [objects.Lead.fields]
        compny = "Company"
        company = "a b"
        [objects.Foo__c.fields]
        name = "Name"
        [objects.Bar__c]
        to = "person"
        [objects.Opportunity.stages]
        won = ["Closed Lost"]
        [objects.Event]
        not_by = ["005"]
    "#;
    let faults = parse(text).expect_err("faults");
    let keys: Vec<&str> = faults.iter().map(|fault| fault.key.as_str()).collect();
    for key in [
        "colour",
        "objects.Lead.bogus",
        "objects.Lead.fields.compny",
        "objects.Lead.fields.company",
        "objects.Foo__c",
        "objects.Bar__c.to",
        "objects.Opportunity.stages",
        "objects.Event.not_by",
    ] {
        assert!(keys.contains(&key), "{key}: {keys:?}");
    }
    assert_eq!(faults.len(), 8);
}

#[test]
fn topics_name_their_object() {
    let mapping = Mapping::default();
    for topic in ["crm.lead", "salesforce.LeadChangeEvent", "Lead_events", "sfdc-lead-cdc"] {
        assert_eq!(mapping.object_of_topic(topic).as_deref(), Some("Lead"), "{topic}");
    }
    assert_eq!(mapping.object_of_topic("leads-of-others"), None);
}

#[test]
fn the_example_can_be_used() {
    let text = include_str!("../../../deploy/mapping.example.toml");
    assert_eq!(parse(text).map(|_| ()), Ok(()));
}
