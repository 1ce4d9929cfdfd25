//! Every fault with its place, all at once; later layers win; the example file is in step.

use super::*;

fn load(text: &str, vars: &[(&str, &str)]) -> Result<Loaded, Faults> {
    let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load_text("router.toml", text, vars)
}

fn settings(text: &str, vars: &[(&str, &str)]) -> Settings {
    match load(text, vars) {
        Ok(loaded) => loaded.settings,
        Err(faults) => panic!("{faults}"),
    }
}

fn faults(text: &str, vars: &[(&str, &str)]) -> String {
    match load(text, vars) {
        Ok(_) => panic!("no fault"),
        Err(faults) => faults.to_string(),
    }
}

#[test]
fn nothing_given_is_the_defaults() {
    let settings = settings("", &[]);
    assert_eq!(settings.group, "lead-router");
    assert_eq!(settings.kafka.transaction_timeout_ms, 15_000);
    assert_eq!(settings.topics.input(Topic::RepChanged), "rep-changed");
    for topic in Topic::ALL {
        assert_eq!(settings.topics.input(topic), topic.name());
    }
    assert_eq!(settings.http.listen.to_string(), "127.0.0.1:9464");
    assert_eq!(settings.start_leads, None);
}

#[test]
fn the_environment_wins_over_the_file() {
    let text = "workers = 2\n[kafka]\nbootstrap_servers = \"a:1\"\n";
    let settings = settings(
        text,
        &[
            ("LEAD_ROUTER__KAFKA__BOOTSTRAP_SERVERS", "b:2"),
            ("LEAD_ROUTER__START__LEADS", "2026-11-24T08:00:00Z"),
            ("LEAD_ROUTER__KAFKA__PROPERTIES__SOCKET_KEEPALIVE_ENABLE", "true"),
            ("UNRELATED", "x"),
        ],
    );
    assert_eq!(settings.workers, 2);
    assert_eq!(settings.kafka.bootstrap_servers, "b:2");
    assert_eq!(settings.start_leads, Some(StartLeads::At(Timestamp(1_795_507_200_000))));
    assert_eq!(settings.kafka.properties["socket.keepalive.enable"], "true");
}

#[test]
fn all_faults_come_at_once_with_file_line_and_key() {
    let text = "wrokers = 2\nclock = \"sun\"\n[kafka]\nsession_timeout_ms = \"soon\"\n\
                [topics]\nstate = \"\"\nlead_updated = \"lead-created\"\n[http]\nlisten = \"here\"\n";
    let expected = "router.toml:1: wrokers: unknown key; did you mean workers?\n\
        router.toml:4: kafka.session_timeout_ms: expected a whole number from 1000 to 1800000, found \"soon\"\n\
        router.toml:6: topics.state: expected a text that is not empty, found \"\"\n\
        router.toml:2: clock: expected \"wall\" or \"record\", found \"sun\"\n\
        router.toml:9: http.listen: expected an address and port, such as \"127.0.0.1:9464\", found \"here\"\n\
        router.toml:7: topics.lead_updated: is the same topic as topics.lead_created";
    let told = faults(text, &[]);
    for line in expected.lines() {
        assert!(told.contains(line), "missing: {line}\nin:\n{told}");
    }
    assert_eq!(told.lines().filter(|line| !line.contains("max_poll")).count(), 7, "{told}");
}

#[test]
fn a_level_that_is_none_would_silence_everything_and_is_refused() {
    for good in ["warn", "INFO", "off", "info,lead_router::kafka=debug", "error, rdkafka=off"] {
        assert_eq!(settings(&format!("[log]\nlevel = \"{good}\"\n"), &[]).log.level, good);
    }
    for bad in ["wran", "lead_router", "info,lead_router=loud", "info,"] {
        let why = faults(&format!("[log]\nlevel = \"{bad}\"\n"), &[]);
        assert!(why.contains("log.level: expected error, warn") && why.contains(bad), "{why}");
    }
}

#[test]
fn syntax_is_a_fault_with_its_line() {
    assert!(faults("workers = 2\nx = = 1\n", &[]).starts_with("router.toml:2: "));
}

#[test]
fn a_key_in_the_wrong_section_is_found_by_its_last_part() {
    let told = faults("session_timeout_ms = 9\n", &[]);
    assert_eq!(
        told,
        "router.toml:1: session_timeout_ms: unknown key; did you mean kafka.session_timeout_ms?"
    );
    let told = faults("", &[("LEAD_ROUTER__KAFKA__SESION_TIMEOUT_MS", "9")]);
    assert!(told.contains("did you mean kafka.session_timeout_ms?"), "{told}");
}

#[test]
fn timeouts_must_nest() {
    let told = faults("[kafka]\nmessage_timeout_ms = 15000\n", &[]);
    assert_eq!(
        told,
        "router.toml:2: kafka.message_timeout_ms: must be shorter than \
         kafka.transaction_timeout_ms (15000)"
    );
    let told = faults("[kafka]\ntransaction_timeout_ms = 60000\n", &[]);
    assert!(told.contains("must be at most kafka.session_timeout_ms (45000)"), "{told}");
    let told = faults("[kafka]\nmax_poll_interval_ms = 30000\n", &[]);
    assert!(told.contains("must be at least kafka.session_timeout_ms (45000)"), "{told}");
}

#[test]
fn properties_that_exactly_once_owns_are_refused_with_the_reason() {
    let text = "[kafka.consumer.properties]\n\"isolation.level\" = \"read_uncommitted\"\n\
                \"fetch.min.bytes\" = 1\n[kafka.producer.properties]\ntransactional.id = \"x\"\n";
    let told = faults(text, &[]);
    assert!(
        told.contains(
            "router.toml:2: kafka.consumer.properties.\"isolation.level\": must not be set here: \
             reading uncommitted records would route leads that were never sent"
        ),
        "{told}"
    );
    assert!(
        told.contains("router.toml:5: kafka.producer.properties.\"transactional.id\""),
        "{told}"
    );
    assert!(!told.contains("fetch.min.bytes"), "{told}");
}

#[cfg(not(feature = "tls"))]
#[test]
fn encryption_needs_a_build_that_has_it() {
    let told = faults("", &[("LEAD_ROUTER__KAFKA__PROPERTIES__SECURITY_PROTOCOL", "SASL_SSL")]);
    assert!(told.contains("build it with --features tls"), "{told}");
}

#[test]
fn an_unverified_broker_must_be_asked_for() {
    let text = "[kafka.properties]\n\"enable.ssl.certificate.verification\" = false\n";
    assert!(faults(text, &[]).contains("kafka.allow_unverified_tls = true"));
}

#[test]
fn a_secret_may_come_from_a_file_and_is_never_printed() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), "hush\n").expect("written");
    let path = file.path().display().to_string();
    // Not a property of SASL, so that the test also holds in builds without encryption.
    let name = "LEAD_ROUTER__KAFKA__PROPERTIES__CLIENT_SECRET_FILE";
    let loaded = load("", &[(name, &path)]).expect("settings");
    assert_eq!(loaded.settings.kafka.properties["client.secret"], "hush");
    assert!(loaded.printed.contains("\"client.secret\" = \"***\""), "{}", loaded.printed);
    assert!(!loaded.printed.contains("hush"));
    assert!(!format!("{:?}", loaded.settings).contains("hush"));
}

#[test]
fn what_is_not_known_to_be_harmless_is_not_printed() {
    let secrets = [
        "sasl.password",
        "sasl.pasword",
        "SASL.Password",
        "sasl.jaas.config",
        "sasl.oauthbearer.config",
        "sasl.oauthbearer.assertion.private.key.passphrase",
        "sasl.oauthbearer.assertion.private.key.pem",
        "sasl.kerberos.keytab",
        "ssl.key.pem",
        "ssl.key.pasword",
        "ssl.keystore.password",
        "client.secret",
        "basic.auth.user.info",
    ];
    for name in secrets {
        assert!(owned::is_secret(name), "{name}");
    }
    let harmless = [
        "security.protocol",
        "client.rack",
        "sasl.mechanism",
        "sasl.username",
        "ssl.ca.location",
        "ssl.key.location",
        "ssl.endpoint.identification.algorithm",
    ];
    for name in harmless {
        assert!(!owned::is_secret(name), "{name}");
    }
}

#[test]
fn what_is_printed_can_be_read_back() {
    let text = "instance = \"a\\\"b\"\n";
    assert!(faults(text, &[]).contains("instance: expected letters"));
    let text =
        "instance = \"a-1\"\n[batch]\nlinger_ms = 7\n[kafka.properties]\n\"client.rack\" = \"r\"\n";
    let first = load(text, &[]).expect("settings");
    let again = load(&first.printed, &[]).expect("printed settings");
    assert_eq!(first.settings, again.settings);
    assert!(first.printed.contains("router.toml:3"), "{}", first.printed);
}

#[test]
fn every_default_is_valid_and_every_key_explained() {
    settings("", &[]);
    for key in keys::KEYS {
        assert!(key.doc.len() > 10 && key.doc.ends_with(['.', ')']), "{}", key.path);
        assert!(
            key.default.is_some()
                || matches!(
                    key.kind,
                    keys::Kind::Properties | keys::Kind::Start | keys::Kind::Secret
                )
        );
    }
}

#[test]
fn the_example_file_is_in_step_and_every_line_of_it_can_be_used() {
    let path = "deploy/router.example.toml";
    if std::env::var_os("UPDATE_EXAMPLE").is_some() {
        std::fs::write(path, example()).expect("written");
    }
    let written = std::fs::read_to_string(path).expect("the example file");
    assert!(written == example(), "{path} is not in step: run this test with UPDATE_EXAMPLE=1");
    let used: String = written
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.split(' ').nth(1) == Some("=") || rest.starts_with('[') => rest,
            Some(_) => "",
            None => line,
        })
        .fold(String::new(), |all, line| all + line + "\n");
    settings(&used, &[]);
}

#[test]
fn distance_is_what_it_says() {
    assert_eq!(keys::distance("kitten", "sitting"), 3);
    assert_eq!(keys::distance("", "abc"), 3);
    assert_eq!(keys::distance("same", "same"), 0);
}
