//! The section of the schema registry.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::check::Take;

/// Where schemas are registered, and how to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    /// Without a slash at its end.
    pub url: String,
    pub login: Login,
    pub ca_file: Option<PathBuf>,
    pub timeout: Duration,
    /// How long a name that the registry does not know is asked for before it counts as unknown.
    pub unknown_after: Duration,
}

/// How we say who we are.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    None,
    Basic { username: String, password: String },
    Bearer(String),
}

impl fmt::Debug for Login {
    /// The kind only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Login::None => "None",
            Login::Basic { .. } => "Basic",
            Login::Bearer(_) => "Bearer",
        })
    }
}

impl Take<'_> {
    pub(super) fn registry(&mut self) -> Option<Registry> {
        let url = self.text("registry.url").trim_end_matches('/').to_owned();
        let login = self.login();
        let ca_file = self.text("registry.ca_file");
        let registry = Registry {
            login,
            ca_file: (!ca_file.is_empty()).then(|| PathBuf::from(ca_file)),
            timeout: self.millis("registry.timeout_ms"),
            unknown_after: self.millis("registry.unknown_after_ms"),
            url,
        };
        if registry.url.is_empty() {
            return None;
        }
        self.check_url(&registry);
        Some(registry)
    }

    fn millis(&mut self, path: &str) -> Duration {
        Duration::from_millis(u64::try_from(self.number(path)).unwrap_or(0))
    }

    fn login(&mut self) -> Login {
        let username = self.text("registry.username");
        let (password, token) = (self.secret("registry.password"), self.secret("registry.token"));
        match (username.is_empty(), password, token) {
            (true, None, None) => Login::None,
            (true, None, Some(token)) => Login::Bearer(token),
            (false, Some(password), None) => Login::Basic { username, password },
            (_, _, Some(_)) => {
                self.fault(
                    "registry.token",
                    "is one way, username and password the other: not both",
                );
                Login::None
            }
            _ => {
                let text = "username and password go together; the password comes from the \
                            environment: LEAD_ROUTER__REGISTRY__PASSWORD, or …_FILE";
                self.fault("registry.username", text);
                Login::None
            }
        }
    }

    fn check_url(&mut self, registry: &Registry) {
        let (scheme, rest) = registry.url.split_once("://").unwrap_or_default();
        let host = rest.split('/').next().unwrap_or_default();
        if !matches!(scheme, "http" | "https") || host.is_empty() || rest.contains(['?', '#', ' '])
        {
            self.fault("registry.url", "expected http:// or https://, a host, and perhaps a path");
        }
        if host.contains('@') {
            let text = "has a password in it: give registry.username, and the password by \
                        LEAD_ROUTER__REGISTRY__PASSWORD or …_FILE";
            self.fault("registry.url", text);
        }
        if scheme == "http" && registry.login != Login::None && !is_local(host) {
            let text = "would send the password unencrypted: use https://";
            self.fault("registry.url", text);
        }
        if !cfg!(feature = "registry") {
            self.fault(
                "registry.url",
                "this build asks no registry: build it with --features registry",
            );
        }
    }
}

/// On this machine nobody is on the way.
fn is_local(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}
