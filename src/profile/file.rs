//! A profile as it is written: TOML, read without judging what it means.
//!
//! Choices are externally tagged (`{ name = settings }`) and nothing is flattened, so that the parser can point at
//! the exact value that is wrong. The doc comments here are the descriptions in the JSON schema.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer, Error as _, MapAccess, Visitor};

use super::duration::WrittenDuration;
use super::threshold::ThresholdsFile;
use crate::protocol::ServerMessage;

/// A load profile of `wtsp-load`: whom to load, with which clients, calls and stages.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "wtsp-load profile")]
pub struct ProfileFile {
    /// The name of the run, used in the run directory: letters, digits, `-`, `_` and `.`. Default: the file's name.
    pub name: Option<String>,
    /// The number from which every random draw follows: the same seed gives the same schedule. Default: drawn, and
    /// recorded.
    pub seed: Option<u64>,
    /// Whom to load.
    #[serde(default)]
    pub target: TargetFile,
    /// Who signs on.
    #[serde(default)]
    pub subscribers: SubscribersFile,
    /// The load generator itself.
    #[serde(default)]
    pub generator: GeneratorFile,
    /// How every client behaves.
    #[serde(default)]
    pub clients: ClientsFile,
    /// The stages of the run, one after the other.
    #[schemars(length(min = 1))]
    pub stages: Vec<StageFile>,
    /// How every call goes.
    pub calls: Option<CallsFile>,
    /// The embedded core, where that is the target.
    pub embedded_core: Option<EmbeddedCoreFile>,
    /// What the figures of the run have to be, by their names in run.json.
    pub thresholds: Option<ThresholdsFile>,
}

/// Whom to load.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetFile {
    /// The URL of a Core (`wss://core.example.com`; `/signaling/v1` is added when the path lacks it), or `embedded`
    /// for the embedded core. Never with a token.
    #[schemars(extend("default" = "embedded"))]
    pub url: Option<String>,
    /// The dialect of the protocol. `auto` lets one client find out before the run.
    #[schemars(extend("default" = "auto"))]
    pub dialect: Option<DialectFile>,
    /// The tenant's id, for a Core that serves several.
    pub tenant: Option<String>,
    /// Whether a client displaces an earlier connection of the same session: always, never, or when it reconnects.
    #[schemars(extend("default" = "on-reconnect"))]
    pub force: Option<ForceFile>,
    /// How long a connection may take, from dialling to the upgraded WebSocket.
    #[schemars(extend("default" = "10s"))]
    pub connect_timeout: Option<WrittenDuration>,
    /// Local addresses to dial from, in turn. Each has some 28,000 ports per destination; beyond half of them connecting
    /// gets slow.
    #[serde(default)]
    pub source_addresses: Vec<IpAddr>,
    /// TLS, for a `wss` target.
    #[serde(default)]
    pub tls: TlsFile,
}

/// The dialect of the protocol.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DialectFile {
    /// The founding document's: properties in a nested `data` object.
    Nested,
    /// Today's: properties at the top level.
    Flat,
    /// Found out before the run.
    Auto,
}

/// When a client displaces an earlier connection: `true`, `false` or `"on-reconnect"`.
#[derive(Clone, Copy, Debug)]
pub enum ForceFile {
    /// `true`
    Always,
    /// `false`
    Never,
    /// `"on-reconnect"`
    OnReconnect,
}

/// TLS, for a `wss` target.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsFile {
    /// A PEM file of certificates to trust instead of the machine's own; relative to the profile.
    pub ca_file: Option<String>,
    /// Accept any certificate. This also spares the client the work of checking it, so it changes what is measured.
    #[serde(default)]
    pub insecure: bool,
    /// The name to ask for and to check, where it is not the URL's host.
    pub server_name: Option<String>,
    /// Take up an earlier TLS session where the server offers one, as a phone does that comes back. Default: each
    /// sign-on pays for a whole handshake.
    #[serde(default)]
    pub resumption: bool,
}

/// Who signs on: `file` or `count`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscribersFile {
    /// A CSV file with the header `token,number`, or `login,password` with a `number` or without; relative to the
    /// profile. With login and password, sessions are made through the Core's REST API before the run, and deleted
    /// after it.
    pub file: Option<String>,
    /// That many subscribers are provisioned in the embedded core. Default: as many as the stages need.
    #[schemars(range(min = 1))]
    pub count: Option<u32>,
    /// The URL of the REST API where it is another than the target's (`https://core.example.com`). Default: the
    /// target's, with https for wss and http for ws.
    pub rest_url: Option<String>,
    /// The most requests for a session in a second.
    #[schemars(range(min = 0.01, max = 1000.0), extend("default" = 20))]
    pub logins_per_second: Option<f64>,
    /// The most requests for a session that are under way at a time.
    #[schemars(range(min = 1, max = 64), extend("default" = 10))]
    pub concurrency: Option<u32>,
}

/// The load generator itself.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GeneratorFile {
    /// Worker threads. Default: one a core, leaving one to the embedded core when that is the target, and one for every
    /// 100 clients at most.
    #[schemars(range(min = 1))]
    pub workers: Option<u32>,
    /// The control group: this many quiet clients on a thread of their own, and as many twins in the workers. They send
    /// a keepalive each second and place no calls; how much longer the twins' take is the generator's own doing. They
    /// need two subscribers each beyond those of the clients. Default: 1 % of the clients, at least 1 and at most 10,
    /// as far as there are subscribers for them. 0: none.
    #[schemars(range(max = 100))]
    pub control_clients: Option<u32>,
    /// Keep the messages of the slowest and the failed calls in `flight.jsonl`, without secrets; `report.html` draws them as
    /// ladders.
    #[schemars(extend("default" = true))]
    pub flight_recorder: Option<bool>,
}

/// How every client behaves.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientsFile {
    /// By what share of the server's interval keepalives may come early, at random; 0 is exactly the interval.
    #[schemars(range(min = 0.0, max = 0.9), extend("default" = 0.1))]
    pub keepalive_jitter: Option<f64>,
    /// The interval between a client's keepalives where it is shorter than the one that the server asks for; at least 10 ms. A
    /// server has to accept more frequent ones. Default: the server's.
    pub keepalive_interval: Option<WrittenDuration>,
    /// How long a request may wait for its response.
    #[schemars(extend("default" = "10s"))]
    pub request_timeout: Option<WrittenDuration>,
    /// What a client does that lost its connection, or found none.
    #[schemars(extend("default" = "none"))]
    pub reconnect: Option<ReconnectFile>,
}

/// What a client does that lost its connection, or found none.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum ReconnectFile {
    /// It stays away.
    None,
    /// It comes back after a fixed time, whatever the close code, as the mobile app does: a server that restarts meets
    /// all its clients at once.
    Fixed {
        /// The time from the loss to the next attempt, and from one attempt to the next.
        #[schemars(extend("default" = "3s"))]
        after: Option<WrittenDuration>,
    },
    /// It comes back after a random time, up to a limit that doubles with every failed attempt; after close codes that
    /// say so it stays away.
    Backoff {
        /// The limit of the first wait.
        #[schemars(extend("default" = "500ms"))]
        base: Option<WrittenDuration>,
        /// The limit that no wait exceeds.
        #[schemars(extend("default" = "30s"))]
        cap: Option<WrittenDuration>,
    },
}

/// A stretch of the run with its own load. At most one of `calls_per_second`, `calls_ramp`, `bhca` and `erlangs`, each a
/// number or a shape: `{ ramp = { from = 1, to = 20 } }`, `{ steps = { from = 10, to = 50, count = 5 } }` or
/// `{ spike = { base = 5, peak = 50, at = "10s", length = "5s" } }`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StageFile {
    /// The name that reports use. Default: `stage-1` and so on.
    pub name: Option<String>,
    /// How long the stage lasts; up to 30 days.
    pub duration: WrittenDuration,
    /// How many clients are signed on by the end of the stage; a lower figure than before signs clients off. Default:
    /// as many as before.
    pub clients: Option<u32>,
    /// The law of sign-ons, sign-offs and calls in this stage.
    #[schemars(extend("default" = "constant"))]
    pub arrivals: Option<ArrivalsFile>,
    /// A law of its own for sign-ons and sign-offs, so that calls can go on at random while everybody signs on at once.
    /// Default: `arrivals`.
    pub signon_arrivals: Option<ArrivalsFile>,
    /// How many clients sign on, or off, per second until there are as many as `clients` says. Default: spread over the
    /// whole stage.
    #[schemars(range(min = 0.0))]
    pub signons_per_second: Option<f64>,
    /// How many clients sign off and on again per second, one after the other, beside everything else. A client in a call
    /// signs off after it.
    #[schemars(range(min = 0.0))]
    pub churn_per_second: Option<f64>,
    /// How clients sign off in this stage. At the end of the run all of them close.
    #[schemars(extend("default" = "close"))]
    pub sign_off: Option<SignOffFile>,
    /// Calls due per second.
    pub calls_per_second: Option<RateFile>,
    /// Calls due per second, rising or falling linearly over the stage: short for `calls_per_second = { ramp = .. }`.
    pub calls_ramp: Option<RampFile>,
    /// Busy hour call attempts: calls due per hour.
    pub bhca: Option<RateFile>,
    /// Calls that are up at the same time on average: the rate follows from the mean of `calls.hold`.
    pub erlangs: Option<RateFile>,
    /// Callers that each place a call, wait until it is over, and pause for `calls.pause` before the next one: a closed
    /// load, beside the calls that are due at a rate. It slows down when the server does.
    pub callers: Option<u32>,
}

/// How clients sign off.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignOffFile {
    /// They close the WebSocket with 1000.
    Close,
    /// They drop the TCP connection without a close frame.
    Drop,
}

/// A rate: a number, or a shape that it has over the stage.
#[derive(Clone, Copy, Debug)]
pub enum RateFile {
    /// The same all the time.
    Constant(f64),
    /// Another one at other times.
    Shape(ShapeFile),
}

/// The names of the shapes.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum ShapeName {
    Ramp,
    Steps,
    Spike,
}

/// The shape of a rate over a stage.
#[derive(Clone, Copy, Debug, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum ShapeFile {
    /// Rising or falling linearly.
    Ramp(RampFile),
    /// In levels of equal length.
    Steps(StepsFile),
    /// Constant, but for a stretch with another rate.
    Spike(SpikeFile),
}

/// A rate in levels of equal length and equal distance.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepsFile {
    /// On the first level.
    #[schemars(range(min = 0.0))]
    pub from: f64,
    /// On the last level.
    #[schemars(range(min = 0.0))]
    pub to: f64,
    /// How many levels there are.
    #[schemars(range(min = 2, max = 100))]
    pub count: u32,
}

/// A rate that is constant but for a stretch.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpikeFile {
    /// Before and after.
    #[schemars(range(min = 0.0))]
    pub base: f64,
    /// During the stretch.
    #[schemars(range(min = 0.0))]
    pub peak: f64,
    /// When the stretch begins, from the stage's start.
    pub at: WrittenDuration,
    /// How long it lasts.
    pub length: WrittenDuration,
}

/// The law of arrivals.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArrivalsFile {
    /// All at the stage's start.
    AtOnce,
    /// Evenly spaced.
    Constant,
    /// At random, independently of each other.
    Poisson,
}

/// Two rates.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RampFile {
    /// At the stage's start.
    #[schemars(range(min = 0.0))]
    pub from: f64,
    /// At the stage's end.
    #[schemars(range(min = 0.0))]
    pub to: f64,
}

/// How every call goes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallsFile {
    /// How long a callee lets it ring.
    #[schemars(extend("default" = {"uniform": {"min": "200ms", "max": "1s"}}))]
    pub ring: Option<DistributionFile>,
    /// How long a call lasts, from the answer to the hang-up.
    #[schemars(extend("default" = {"exponential": "5s"}))]
    pub hold: Option<DistributionFile>,
    /// How long each of a stage's `callers` pauses between the end of its call and the next one; at least 100 ms.
    #[schemars(extend("default" = {"fixed": "1s"}))]
    pub pause: Option<DistributionFile>,
    /// How long a party thinks between two things that it does in a call.
    #[schemars(extend("default" = {"uniform": {"min": "200ms", "max": "1s"}}))]
    pub think: Option<DistributionFile>,
    /// How long a call stays on hold.
    #[schemars(extend("default" = {"exponential": "2s"}))]
    pub on_hold: Option<DistributionFile>,
    /// ICE candidates that each side trickles before the end mark. 0: its SDP has them all, and it sends no end mark either.
    #[schemars(range(max = 100), extend("default" = 6))]
    pub candidates: Option<u32>,
    /// The time from one trickled candidate to the next.
    #[schemars(extend("default" = "50ms"))]
    pub candidate_spacing: Option<WrittenDuration>,
    /// The size of each SDP, in bytes.
    #[schemars(range(min = 200, max = 60_000), extend("default" = 3_000))]
    pub sdp_bytes: Option<u32>,
    /// A file with the SDP of the offers, and one with that of the answers, instead of made-up ones; relative to the
    /// profile.
    pub sdp_files: Option<SdpFilesFile>,
    /// The share of calls, 0 to 1, that the callee hangs up; the caller hangs up the others.
    #[schemars(range(min = 0.0, max = 1.0), extend("default" = 0.2))]
    pub hangup_by_callee: Option<f64>,
    /// The share of calls, 0 to 1, in which two requests cross, in flows that know of such a race: a cancel and an
    /// accept, two updates.
    #[schemars(range(min = 0.0, max = 1.0), extend("default" = 0.1))]
    pub crossing: Option<f64>,
    /// Dial this number instead of one's own partner: an echo service, or a phone that is not simulated.
    pub number: Option<String>,
    /// The number that callers show in the flow `guest_line`. Default: their own.
    pub guest_number: Option<String>,
    /// Whether a list of all calls is written, `calls.csv`: a row an attempt. `{ sample_above = N }`: of a plan that has
    /// more than N of them due in its busiest second, every so many-th, so that there are N rows a second at the most.
    /// `true` is N = 1000.
    #[schemars(extend("default" = false))]
    pub cdr: Option<CdrFile>,
    /// The flows that calls follow, by weight.
    #[schemars(extend("default" = [{"flow": "answered", "weight": 1}]))]
    pub mix: Option<Vec<FlowShareFile>>,
}

/// Whether a list of all calls is written: `true`, `false` or `{ sample_above = N }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CdrFile {
    /// `true`, `false`
    Whether(bool),
    /// `{ sample_above = N }`
    SampleAbove(u32),
}

/// The session descriptions of calls.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SdpFilesFile {
    /// The file with the SDP of the offers.
    pub offer: String,
    /// The file with the SDP of the answers.
    pub answer: String,
}

/// A flow's share of the calls, and how its calls differ from what `[calls]` says.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlowShareFile {
    /// The flow's name.
    #[schemars(schema_with = "super::schema::flow_names")]
    pub flow: String,
    /// Its weight among all flows of the mix.
    #[schemars(range(min = 0.0))]
    pub weight: f64,
    /// How long a callee lets it ring; where the caller gives up, how long that one does.
    pub ring: Option<DistributionFile>,
    /// How long a call lasts, from the answer to the hang-up.
    pub hold: Option<DistributionFile>,
    /// How long a party thinks between two things that it does in a call.
    pub think: Option<DistributionFile>,
    /// How long a call stays on hold.
    pub on_hold: Option<DistributionFile>,
    /// The share of calls, 0 to 1, that the callee hangs up.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub hangup_by_callee: Option<f64>,
    /// The share of calls, 0 to 1, in which two requests cross.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub crossing: Option<f64>,
    /// What is dialled before the callee's number. Default: the flow's feature code of the embedded core, if it needs
    /// one.
    pub prefix: Option<String>,
    /// The number to dial instead of that of a client of the run.
    pub number: Option<String>,
}

/// How long something takes, as a law of chance.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum DistributionFile {
    /// Always the same time.
    Fixed(WrittenDuration),
    /// Any time between the two, equally likely.
    Uniform {
        /// The shortest time.
        min: WrittenDuration,
        /// The longest time.
        max: WrittenDuration,
    },
    /// Exponential with this mean.
    Exponential(WrittenDuration),
    /// Lognormal, told by two of its quantiles.
    Lognormal {
        /// Half of the times are shorter.
        median: WrittenDuration,
        /// 95 % of the times are shorter.
        p95: WrittenDuration,
    },
    /// One of two times.
    Bimodal {
        /// The usual time.
        low: WrittenDuration,
        /// The other one.
        high: WrittenDuration,
        /// The share of the other one, 0 to 1.
        #[schemars(range(min = 0.0, max = 1.0))]
        high_share: f64,
    },
}

/// The embedded core, where that is the target.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmbeddedCoreFile {
    /// The keepalive interval that it asks of its clients.
    #[schemars(extend("default" = "30s"))]
    pub keepalive_interval: Option<WrittenDuration>,
    /// How many lines each subscriber has.
    #[schemars(range(min = 1, max = 64), extend("default" = 2))]
    pub lines: Option<u32>,
    /// How long it holds messages back, by their flat names: `state`, `keepalive`, `ack`, `error`, or an event's such
    /// as `ringing`. Counted from what causes the message; messages that depend on each other keep their order.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"enum": (ServerMessage::names())}))]
    pub delays: BTreeMap<String, DistributionFile>,
    /// When it stands still, reading nothing and sending nothing. Default: never.
    pub freeze: Option<FreezeFile>,
    /// Which calls it refuses, drawn by the seed. Default: none.
    pub refusals: Option<RefusalsFile>,
}

/// A share of the calls that the embedded core refuses: acknowledged, `calling`, and `hangup` with the code.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RefusalsFile {
    /// The share of the calls, such as 0.01 for one in a hundred.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub share: f64,
    /// The SIP status that they end with, such as 503.
    #[schemars(range(min = 300, max = 699))]
    pub code: i32,
}

/// How the embedded core stands still at set times, for `length` at the end of every `every`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FreezeFile {
    /// The time from one to the next.
    pub every: WrittenDuration,
    /// How long one lasts.
    pub length: WrittenDuration,
}

impl<'de> Deserialize<'de> for RateFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RateFile, D::Error> {
        deserializer.deserialize_any(RateVisitor)
    }
}

struct RateVisitor;

impl<'de> Visitor<'de> for RateVisitor {
    type Value = RateFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or a shape such as { ramp = { from = 1, to = 20 } }")
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<RateFile, E> {
        Ok(RateFile::Constant(value as f64))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<RateFile, E> {
        Ok(RateFile::Constant(value as f64))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<RateFile, E> {
        Ok(RateFile::Constant(value))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RateFile, A::Error> {
        let shape = match map.next_key()? {
            Some(ShapeName::Ramp) => Some(ShapeFile::Ramp(map.next_value()?)),
            Some(ShapeName::Steps) => Some(ShapeFile::Steps(map.next_value()?)),
            Some(ShapeName::Spike) => Some(ShapeFile::Spike(map.next_value()?)),
            None => None,
        };
        match (shape, map.next_key::<ShapeName>()?) {
            (Some(shape), None) => Ok(RateFile::Shape(shape)),
            // As the parser itself says it of a choice.
            _ => Err(A::Error::custom("wanted exactly 1 element")),
        }
    }
}

impl JsonSchema for RateFile {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let shape = generator.subschema_for::<ShapeFile>();
        schemars::json_schema!({ "anyOf": [{ "type": "number", "minimum": 0.0 }, shape] })
    }
}

impl<'de> Deserialize<'de> for ForceFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ForceFile, D::Error> {
        deserializer.deserialize_any(ForceVisitor)
    }
}

struct ForceVisitor;

impl Visitor<'_> for ForceVisitor {
    type Value = ForceFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false or \"on-reconnect\"")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<ForceFile, E> {
        Ok(if value { ForceFile::Always } else { ForceFile::Never })
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ForceFile, E> {
        match text {
            "on-reconnect" => Ok(ForceFile::OnReconnect),
            _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }
}

impl JsonSchema for ForceFile {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Force".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "enum": [true, false, "on-reconnect"] })
    }
}

/// What can be said of `cdr` beside yes and no.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CdrSettings {
    /// Rows a second at the most.
    #[schemars(range(min = 1, max = 100_000))]
    sample_above: u32,
}

impl<'de> Deserialize<'de> for CdrFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CdrFile, D::Error> {
        deserializer.deserialize_any(CdrVisitor)
    }
}

struct CdrVisitor;

impl<'de> Visitor<'de> for CdrVisitor {
    type Value = CdrFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false or { sample_above = 1000 }")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<CdrFile, E> {
        Ok(CdrFile::Whether(value))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<CdrFile, A::Error> {
        let settings = CdrSettings::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(CdrFile::SampleAbove(settings.sample_above))
    }
}

impl JsonSchema for CdrFile {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cdr".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let settings = generator.subschema_for::<CdrSettings>();
        schemars::json_schema!({ "anyOf": [{ "type": "boolean" }, settings] })
    }
}
