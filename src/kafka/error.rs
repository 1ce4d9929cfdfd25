//! From rdkafka's errors to what the caller must do: the one file that names their variants.
//!
//! librdkafka says of a transactional error whether it is abortable; everything that is not labelled so
//! means that nobody knows what became of the transaction, `Flush` included (the wrapper of commit
//! flushes first). What no retry can mend, such as a missing permission, is fatal whatever its label.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::types::RDKafkaRespErr;
use thiserror::Error;

use crate::engine::ports::Failure;

/// Why the service could not start or inspect the brokers, by what would help.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Trouble {
    /// Something must be set or made differently.
    #[error("{0}")]
    Config(String),
    /// It may work later.
    #[error("{0}")]
    Temporary(String),
}

/// What an error from a queue of the consumer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Everything up to the last stable offset has been delivered.
    End,
    /// Deliveries may be behind; librdkafka goes on trying.
    Unsure(String),
    Fatal(String),
}

/// An error of a call of the transactional producer.
pub(super) fn transactional(call: &str, error: &KafkaError) -> Failure {
    let text = format!("{call}: {error}");
    if let Some(why) = hopeless(error, WRITING) {
        return Failure::Fatal(format!("{text}: {why}"));
    }
    match error {
        KafkaError::Transaction(inner) if inner.txn_requires_abort() => Failure::Abort(text),
        _ => Failure::Unknown(text),
    }
}

/// An error of handing a record to the producer; `None` = its queue is full: wait and try again.
pub(super) fn producing(topic: &str, error: &KafkaError) -> Option<Failure> {
    if code(error) == Some(Code::QueueFull) {
        return None;
    }
    Some(match hopeless(error, WRITING) {
        Some(why) => Failure::Fatal(format!("send to {topic}: {error}: {why}")),
        None => Failure::Unknown(format!("send to {topic}: {error}")),
    })
}

/// A record that could not be delivered: purged ones are the work of our own abort.
pub(super) fn delivery(topic: &str, error: &KafkaError) -> Option<Failure> {
    if matches!(code(error), Some(Code::PurgeQueue | Code::PurgeInflight)) {
        return None;
    }
    Some(match hopeless(error, WRITING) {
        Some(why) => Failure::Fatal(format!("deliver to {topic}: {error}: {why}")),
        None => Failure::Abort(format!("deliver to {topic}: {error}")),
    })
}

/// What a user needs who writes to a topic, and who looks at one.
const WRITING: &str = "Write and Describe";
pub(super) const READING: &str = "Read and Describe";

fn code(error: &KafkaError) -> Option<Code> {
    match error {
        KafkaError::AdminOp(code) => Some(*code),
        other => other.rdkafka_error_code(),
    }
}

/// Why trying again cannot help; `needs`: the operations on topics that the call needs.
fn hopeless(error: &KafkaError, needs: &str) -> Option<String> {
    let code = code(error)?;
    if code == Code::TopicAuthorizationFailed {
        return Some(format!("allow this user {needs} on the topic"));
    }
    said_no(code).map(str::to_owned)
}

/// The line in which librdkafka says to which topic this user may not write: the transaction's own error does
/// not say it.
pub(super) fn denied(facility: &str, line: &str) -> Option<Failure> {
    let denied = facility == "ADDPARTS" && line.contains("uthorization failed");
    denied.then(|| Failure::Fatal(format!("{line}: allow this user {WRITING} on the topic")))
}

fn said_no(code: Code) -> Option<&'static str> {
    match code {
        Code::GroupAuthorizationFailed => Some("allow this user Read on the group"),
        Code::TransactionalIdAuthorizationFailed => {
            Some("allow this user Write and Describe on transactional ids with the group as prefix")
        }
        Code::ClusterAuthorizationFailed => Some("this user may not use the cluster"),
        Code::MessageSizeTooLarge | Code::InvalidMessageSize => {
            Some("the record is larger than max.message.bytes of the topic")
        }
        Code::InvalidRecord => Some("the topic is compacted and the record has no key"),
        Code::InvalidTimestamp => Some("the record's time is too far from the broker's clock"),
        Code::OffsetMetadataTooLarge => Some("raise offset.metadata.max.bytes to its default"),
        Code::InvalidTransactionTimeout => {
            Some("kafka.transaction_timeout_ms is above the brokers' transaction.max.timeout.ms")
        }
        code if is_unknown(code) => {
            Some("the topic or partition does not exist; see `lead-router topics plan`")
        }
        Code::UnsupportedVersion | Code::UnsupportedFeature => Some("the brokers are too old"),
        _ => None,
    }
}

/// The call was given up for now; the same call again goes on with what it began.
pub(super) fn may_be_repeated(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Transaction(inner) if inner.is_retriable())
}

/// Another producer with the same transactional id has begun since.
pub(super) fn is_fenced(code: Code) -> bool {
    matches!(code, Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch)
}

/// A topic or a partition that the metadata do not name, or a partition that has no leader.
fn is_unknown(code: Code) -> bool {
    matches!(code, Code::UnknownTopic | Code::UnknownPartition | Code::UnknownTopicOrPartition)
}

/// An error that came out of a queue, or to the context.
pub(super) fn heard(error: &KafkaError) -> Heard {
    if matches!(error, KafkaError::PartitionEOF(_)) {
        return Heard::End;
    }
    let text = error.to_string();
    if matches!(error, KafkaError::MessageConsumptionFatal(_)) {
        return Heard::Fatal(text);
    }
    match code(error) {
        Some(Code::PartitionEOF) => Heard::End,
        Some(Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation) => {
            Heard::Fatal(format!(
                "{text}: the records that come next are gone (retention has passed them, or somebody deleted \
                 them). The next start says which, and what to set to go on without them"
            ))
        }
        Some(Code::TopicAuthorizationFailed) => {
            Heard::Fatal(format!("{text}: allow this user {READING} on the topic"))
        }
        Some(Code::GroupAuthorizationFailed) => {
            Heard::Fatal(format!("{text}: allow this user Read on the group"))
        }
        // A topic that is gone comes as an assignment without it; metadata may also be incomplete for a
        // moment while a broker starts.
        Some(Code::Fatal) => Heard::Fatal(text),
        Some(Code::FencedInstanceId) => Heard::Fatal(format!(
            "{text}: another process of this group was started with the same `instance`: set `instance` \
             in the configuration of one of them (LEAD_ROUTER__INSTANCE), each needs its own. If there is no \
             other and the brokers were away just now, they let this one join twice: start it again"
        )),
        Some(Code::InconsistentGroupProtocol) => Heard::Fatal(format!(
            "{text}: other members of the group use another protocol or assignment strategy"
        )),
        Some(Code::InvalidSessionTimeout) => Heard::Fatal(format!(
            "{text}: kafka.session_timeout_ms is outside the brokers' group.min.session.timeout.ms \
             and group.max.session.timeout.ms"
        )),
        _ => Heard::Unsure(text),
    }
}

/// A group or offset query that failed: worth trying again unless it is hopeless. An unknown partition may
/// come back with its broker; one that is gone for good ends the process by the assignment that lacks it.
pub(super) fn query(call: &str, error: &KafkaError) -> Failure {
    let known = code(error).is_none_or(|code| !is_unknown(code));
    match hopeless(error, READING).filter(|_| known) {
        Some(why) => Failure::Fatal(format!("{call}: {error}: {why}")),
        None => Failure::Abort(format!("{call}: {error}")),
    }
}

/// Whether a partition could not be sought yet because its assignment is still being carried out.
pub(super) fn is_not_started(error: &KafkaError) -> bool {
    matches!(code(error), Some(Code::State | Code::PreviousInProgress))
}

/// An error that a rejected login or certificate causes: retrying would only be a storm.
pub(super) fn is_refused(error: &KafkaError) -> bool {
    matches!(
        code(error),
        Some(
            Code::Authentication
                | Code::SaslAuthenticationFailed
                | Code::UnsupportedSASLMechanism
                | Code::IllegalSASLState
                | Code::SSL
        )
    )
}

/// Says only that no broker is left, not why.
pub(super) fn is_summary(error: &KafkaError) -> bool {
    code(error) == Some(Code::AllBrokersDown)
}

/// A client that could not be made: its settings are wrong. Values may be secrets and are left out.
pub(super) fn creating(error: &KafkaError) -> Trouble {
    match error {
        KafkaError::ClientConfig(_, text, key, _) => {
            Trouble::Config(format!("kafka property {key}: {text}"))
        }
        KafkaError::ClientCreation(text) => Trouble::Config(format!("kafka client: {text}")),
        other => Trouble::Config(format!("kafka client: {other}")),
    }
}

/// A call to the cluster about topics that failed.
pub(super) fn inspecting(call: &str, error: &KafkaError) -> Trouble {
    administering(call, READING, error)
}

/// The same; `needs`: the operations on topics that the call needs.
pub(super) fn administering(call: &str, needs: &str, error: &KafkaError) -> Trouble {
    let text = format!("{call}: {error}");
    match hopeless(error, needs) {
        Some(why) => Trouble::Config(format!("{text}: {why}")),
        None if is_refused(error) => Trouble::Config(text),
        None => Trouble::Temporary(text),
    }
}

/// The group's committed offsets could not be asked for: a user who may not read the group gets no answer.
pub(super) fn asking_group(group: &str, error: &KafkaError) -> Trouble {
    let call = format!("committed offsets of the group {group}");
    match inspecting(&call, error) {
        Trouble::Temporary(text) if code(error) == Some(Code::OperationTimedOut) => {
            Trouble::Temporary(format!("{text}; if it goes on, allow this user Read on the group"))
        }
        other => other,
    }
}

/// What else may be the matter where a connection fails for a reason that names only one cause, or none.
pub(super) fn hint(reason: &str) -> &'static str {
    if reason.contains("certificate verify failed") {
        "; or the broker's certificate has expired, or is for another host than the one in bootstrap_servers \
         (`openssl s_client -connect HOST:PORT` shows it)"
    } else if ["alert", "Broken pipe"].iter().any(|part| reason.contains(part)) {
        "; the broker may want a certificate or a login of this client: see ssl.certificate.location, \
         security.protocol and sasl.mechanism in [kafka.properties]"
    } else if ["APIVERSION_QUERY", "ApiVersion", "TransportFailure"]
        .iter()
        .any(|it| reason.contains(it))
    {
        "; if host and port are right, the broker may want TLS or a login, or none: see security.protocol and \
         sasl.mechanism in [kafka.properties]"
    } else {
        ""
    }
}

/// What the metadata say about a topic that they name.
pub(super) enum TopicAnswer {
    There,
    Missing,
    Forbidden,
    NotNow(String),
}

pub(super) fn topic_answer(error: Option<RDKafkaRespErr>) -> TopicAnswer {
    match error.map(Code::from) {
        None | Some(Code::NoError) => TopicAnswer::There,
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => TopicAnswer::Missing,
        Some(Code::TopicAuthorizationFailed) => TopicAnswer::Forbidden,
        Some(other) => TopicAnswer::NotNow(other.to_string()),
    }
}

/// Which way a rebalance goes.
pub(super) enum Turn {
    Assign,
    Revoke,
    Other(String),
}

pub(super) fn turn(code: RDKafkaRespErr) -> Turn {
    match Code::from(code) {
        Code::AssignPartitions => Turn::Assign,
        Code::RevokePartitions => Turn::Revoke,
        other => Turn::Other(other.to_string()),
    }
}

/// A topic that somebody else has made meanwhile is as good as made.
pub(super) fn already_exists(code: Code) -> bool {
    code == Code::TopicAlreadyExists
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_that_is_missing_is_named_with_what_it_is_needed_for() {
        let error = KafkaError::AdminOp(Code::TopicAuthorizationFailed);
        for (needs, remedy) in
            [("Create", "allow this user Create on the topic"), ("Delete", "Delete")]
        {
            let Trouble::Config(text) = administering("do it to leads", needs, &error) else {
                panic!("{needs}: not a matter of configuration")
            };
            assert!(text.contains(remedy) && text.contains("leads"), "{text}");
        }
        let line =
            "Failed to add partition \"lead-assigned\" [3]: Broker: Topic authorization failed";
        let Some(Failure::Fatal(why)) = denied("ADDPARTS", line) else { panic!("not told") };
        assert!(why.contains("lead-assigned") && why.contains("Write"), "{why}");
        assert_eq!(
            denied("ADDPARTS", "Failed to add partition: Coordinator load in progress"),
            None
        );
        assert_eq!(denied("FAIL", line), None);
    }

    #[test]
    fn who_gets_no_answer_about_the_group_is_told_of_the_right_to_it() {
        let asked = asking_group("g1", &KafkaError::Global(Code::OperationTimedOut));
        let Trouble::Temporary(text) = asked else { panic!("{asked:?}") };
        assert!(text.contains("g1") && text.contains("Read on the group"), "{text}");
    }
}
