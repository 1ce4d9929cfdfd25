//! Configurations, 52: each refused before anything runs, with the key, what is wrong, and what would be right.
//! What only a broker can tell (a topic that is missing, not compacted, or of another size) is in `tests/live`.

use lead_router::config;

fn refused(text: &str, vars: &[(&str, &str)]) -> String {
    let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    match config::load_text("router.toml", text, vars) {
        Ok(_) => String::new(),
        Err(faults) => faults.to_string(),
    }
}

#[test]
fn every_malformed_configuration_is_refused_by_key_and_remedy() {
    let nested = format!("x = {}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let registry = "[registry]\nurl = \"https://registry.example\"\n";
    let files: [(&str, &str, &str); 17] = [
        (
            "an unknown key",
            "wrokers = 2\n",
            "router.toml:1: wrokers: unknown key; did you mean workers?",
        ),
        ("an unknown section", "[kafak]\nx = 1\n", "router.toml:1: kafak: unknown key"),
        ("a wrong type", "workers = \"two\"\n", "workers: expected a whole number from 1 to 256"),
        (
            "a number too large",
            "workers = 99999999999999999999\n",
            "workers: expected a whole number",
        ),
        ("no number", "workers = nan\n", "workers: expected a whole number"),
        ("below its range", "[batch]\nmax_records = 0\n", "batch.max_records: expected"),
        ("a table for a text", "[group]\nx = 1\n", "group: expected a text that is not empty"),
        ("a blank name", "group = \" \"\n", "group: expected a text that is not empty"),
        ("a name that is none", "instance = \"a b\"\n", "instance: expected letters"),
        ("a key twice", "workers = 1\nworkers = 2\n", "router.toml:2"),
        ("no TOML", "workers = = 1\n", "router.toml:1"),
        ("10,000 lists in each other", &nested, "router.toml:1"),
        ("what exactly-once owns", "[kafka.properties]\n\"acks\" = 1\n", "a transaction needs all"),
        (
            "one topic twice",
            "[topics]\nstate = \"lead-created\"\n",
            "is the same topic as topics.lead_created",
        ),
        (
            "a secret in plain text",
            "[registry]\npassword = \"hush\"\n",
            "set LEAD_ROUTER__REGISTRY__PASSWORD",
        ),
        (
            "a secret in an address",
            "[registry]\nurl = \"https://ann:hush@r.example\"\n",
            "has a password in it",
        ),
        (
            "an address that is none",
            "[registry]\nurl = \"registry\"\n",
            "expected http:// or https://",
        ),
    ];
    for (what, text, expected) in files {
        let told = refused(text, &[]);
        assert!(told.contains(expected), "{what}: {told}");
        assert!(!told.contains("hush"), "{what} tells the secret: {told}");
    }
    let variables = [
        ("an unknown variable", "LEAD_ROUTER__WROKERS", "2", "did you mean workers?"),
        (
            "a secret's file that is missing",
            "LEAD_ROUTER__REGISTRY__TOKEN_FILE",
            "/nowhere",
            "failed to read",
        ),
        (
            "a wrong type",
            "LEAD_ROUTER__WORKERS",
            "two",
            "environment LEAD_ROUTER__WORKERS: workers",
        ),
        (
            "half a login",
            "LEAD_ROUTER__REGISTRY__PASSWORD",
            "hush",
            "username and password go together",
        ),
    ];
    for (what, name, value, expected) in variables {
        let told = refused(registry, &[(name, value)]);
        assert!(told.contains(expected), "{what}: {told}");
        assert!(!told.contains("hush"), "{what} tells the secret: {told}");
    }
    let unencrypted = "[registry]\nurl = \"http://registry.example\"\n";
    let told = refused(unencrypted, &[("LEAD_ROUTER__REGISTRY__TOKEN", "hush")]);
    assert!(told.contains("would send the password unencrypted"), "{told}");
    // All at once.
    let told = refused("wrokers = 2\nclock = \"sun\"\n[http]\nlisten = \"here\"\n", &[]);
    assert_eq!(told.lines().count(), 3, "{told}");
}
