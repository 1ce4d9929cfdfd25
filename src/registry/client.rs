//! One request at a time, bounded in size and time.

use std::io::Read;
use std::sync::Once;
use std::time::Duration;

use reqwest::blocking::{self, RequestBuilder, Response};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Certificate, StatusCode, redirect};
use serde_json::{Value, json};

use super::Unavailable;
use super::answer::{self, Answer};
use super::references;
use crate::codec::SchemaRef;
use crate::config::{Login, Registry};

/// An answer longer than this is not read. A schema text has at most 1 MiB, and JSON may escape each byte.
const MAX_BYTES: u64 = 8 << 20;
const JSON: &str = "application/vnd.schemaregistry.v1+json";

/// A schema as the registry has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// An Avro schema, references put in.
    Avro(String),
    /// There is one, and it cannot be used: why.
    Unfit(&'static str),
    /// The registry knows no schema of this name.
    Absent,
}

/// A client of one registry.
#[derive(Debug)]
pub struct Client {
    http: blocking::Client,
    settings: Registry,
}

impl Client {
    /// Fails only for what is wrong with the configuration, such as a file that holds no certificates.
    pub fn new(settings: &Registry) -> Result<Client, String> {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            // Fails if somebody else was first, and then there is one.
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let mut builder = blocking::Client::builder()
            .user_agent(concat!("lead-router/", env!("CARGO_PKG_VERSION")))
            .timeout(settings.timeout)
            .connect_timeout(settings.timeout)
            // A login must not follow to another host.
            .redirect(redirect::Policy::none())
            .pool_idle_timeout(Duration::from_secs(30));
        if let Some(file) = &settings.ca_file {
            let name = file.display();
            let pem = std::fs::read(file)
                .map_err(|error| format!("failed to read registry.ca_file = {name}: {error}"))?;
            let certificates = Certificate::from_pem_bundle(&pem)
                .ok()
                .filter(|certificates| !certificates.is_empty())
                .ok_or_else(|| format!("registry.ca_file = {name} holds no certificates (PEM)"))?;
            builder = builder.tls_certs_only(certificates);
        } else if settings.url.starts_with("http://") {
            // Without encryption no system certificates are looked for: small images have none.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|error| {
            let mut text = format!("failed to prepare https for registry.url: {error}");
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                text += &format!(": {cause}");
                source = cause.source();
            }
            text
        })?;
        Ok(Client { http, settings: settings.clone() })
    }

    /// Which registry this is, for people: a path may hold what is not for everybody.
    pub fn host(&self) -> &str {
        let url = &self.settings.url;
        let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
        rest.split('/').next().unwrap_or(rest)
    }

    pub fn settings(&self) -> &Registry {
        &self.settings
    }

    /// The schema of an id or a GUID.
    pub fn schema(&self, schema: SchemaRef) -> Result<Fetched, Unavailable> {
        let path = match schema {
            SchemaRef::Id(id) => format!("/schemas/ids/{id}"),
            SchemaRef::Guid(_) => format!("/schemas/guids/{schema}"),
        };
        let answer = match self.get(&path)? {
            Answer::Found(body) => body,
            Answer::TooLarge => return Ok(Fetched::Unfit("is larger than 8 MiB")),
            Answer::Absent => return Ok(Fetched::Absent),
            // A registry that is too old for GUIDs knows none.
            Answer::NoSuchPath if matches!(schema, SchemaRef::Guid(_)) => {
                return Ok(Fetched::Absent);
            }
            Answer::NoSuchPath => return Err(self.not_a_registry()),
            Answer::Refused(why) => return Err(Unavailable::new(why)),
        };
        self.fetched(&answer)
    }

    /// What an answer says a schema is, with the schemas that it refers to.
    pub(super) fn fetched(&self, answer: &Value) -> Result<Fetched, Unavailable> {
        let text = answer::text(answer, "schema")?;
        if answer.get("schemaType").and_then(Value::as_str).is_some_and(|kind| kind != "AVRO") {
            return Ok(Fetched::Unfit("is no Avro schema"));
        }
        match answer.get("references").and_then(Value::as_array) {
            Some(list) if !list.is_empty() => references::put_in(self, text, list),
            _ => Ok(Fetched::Avro(text.to_owned())),
        }
    }

    pub(super) fn not_a_registry(&self) -> Unavailable {
        Unavailable::new(format!(
            "{} answers, but not as a schema registry: check registry.url",
            self.host()
        ))
    }

    pub(super) fn get(&self, path: &str) -> Result<Answer, Unavailable> {
        self.ask(self.http.get(format!("{}{path}", self.settings.url)))
    }

    /// Asks with a schema's text for a body.
    pub(super) fn post(&self, path: &str, schema: &str) -> Result<Answer, Unavailable> {
        let body = json!({ "schema": schema }).to_string();
        let request = self.http.post(format!("{}{path}", self.settings.url));
        self.ask(request.header(CONTENT_TYPE, JSON).body(body))
    }

    fn ask(&self, request: RequestBuilder) -> Result<Answer, Unavailable> {
        let request = request.header(ACCEPT, JSON);
        let request = match &self.settings.login {
            Login::None => request,
            Login::Basic { username, password } => request.basic_auth(username, Some(password)),
            Login::Bearer(token) => request.bearer_auth(token),
        };
        let response = request.send().map_err(|error| self.trouble(&error))?;
        self.answer(response)
    }

    fn answer(&self, response: Response) -> Result<Answer, Unavailable> {
        let status = response.status();
        let mut body = Vec::new();
        response.take(MAX_BYTES + 1).read_to_end(&mut body).map_err(|_| {
            Unavailable::new(format!("{} broke off in the middle of an answer", self.host()))
        })?;
        if body.len() as u64 > MAX_BYTES {
            return match status {
                StatusCode::OK => Ok(Answer::TooLarge),
                _ => Err(self.not_a_registry()),
            };
        }
        answer::of(status.as_u16(), &body).map_err(|why| Unavailable {
            why: format!("{} {why}", self.host()),
            needs_person: matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN),
        })
    }

    /// What went wrong, without the request, which may hold a login.
    fn trouble(&self, error: &reqwest::Error) -> Unavailable {
        let host = self.host();
        if error.is_timeout() {
            let most = self.settings.timeout.as_millis();
            return Unavailable::new(format!("{host} does not answer within {most} ms"));
        }
        if !error.is_connect() {
            return Unavailable::new(format!("{host} broke off in the middle of an answer"));
        }
        let mut cause = std::error::Error::source(error);
        let mut deepest = String::new();
        while let Some(inner) = cause {
            deepest = inner.to_string();
            cause = inner.source();
        }
        unreachable(host, &deepest)
    }
}

/// No connection, and why. Whom to trust is ours to say.
fn unreachable(host: &str, cause: &str) -> Unavailable {
    let remedy = match cause.contains("UnknownIssuer") {
        true => {
            ": registry.ca_file must name a file with the certificate (PEM) of who issued its own"
        }
        false => "",
    };
    Unavailable {
        why: format!("{host} cannot be reached ({cause}){remedy}"),
        needs_person: cause.contains("invalid peer certificate"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_is_not_trusted_is_told_with_the_remedy() {
        let told = unreachable("registry:8081", "invalid peer certificate: UnknownIssuer");
        assert!(told.needs_person && told.why.contains("registry.ca_file"), "{told}");
        let told = unreachable("registry:8081", "Connection refused (os error 111)");
        assert!(!told.needs_person && !told.why.contains("ca_file"), "{told}");
    }
}
