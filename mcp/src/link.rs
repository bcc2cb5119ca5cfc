//! One connection to a server, through the SDK: begun, listed, called over, ended.

use std::sync::Arc;

use rmcp::handler::client::ClientHandler;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CancelledNotificationParam, ClientCapabilities, ClientConfig,
    ClientRequest, Implementation, PaginatedRequestParams, ServerResult,
};
use rmcp::service::{
    NotificationContext, Peer, PeerRequestOptions, RoleClient, RunningService, ServiceError, ServiceExt,
};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::Notify;

use crate::answer::{self, Outcome, clean};
use crate::file::Keys;
use crate::http;
use crate::program::Program;

/// More tools than this are not looked at.
const TOOLS_MAX: usize = 256;
/// A tool whose schema is longer is not offered by the daemon either.
const SCHEMA_MAX: usize = 64 * 1024;
const DESCRIPTION_MAX: usize = 4000;

/// A tool in the server's own words. Of one that may not be called, the name alone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Listed {
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(skip_serializing_if = "Value::is_null")]
    schema: Value,
}

/// A connection. Dropped, it ends, and so does the program at its other side.
pub struct Link {
    service: RunningService<RoleClient, Ears>,
    _program: Option<Program>,
}

/// Hears what a server says unasked.
#[derive(Clone)]
struct Ears {
    changed: Arc<Notify>,
}

impl ClientHandler for Ears {
    fn get_info(&self) -> ClientConfig {
        let us = Implementation::new("pressel", env!("CARGO_PKG_VERSION"));
        ClientConfig::new(ClientCapabilities::default(), us)
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.changed.notify_one();
    }
}

impl Link {
    /// Starts or dials the server. `changed` is notified when it has other tools.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub async fn open(name: &str, keys: &Keys, changed: Arc<Notify>) -> Result<Self, String> {
        let ears = Ears { changed };
        if keys.command.is_empty() {
            let service = ears.serve(http::transport(keys)?).await.map_err(|error| brief(&error))?;
            return Ok(Link { service, _program: None });
        }
        let (program, stdout, stdin) = Program::start(name, keys)?;
        let service = ears.serve((stdout, stdin)).await.map_err(|error| brief(&error))?;
        Ok(Link { service, _program: Some(program) })
    }

    /// For lists and calls.
    pub fn peer(&self) -> Peer<RoleClient> {
        self.service.peer().clone()
    }

    /// Waits until the connection has ended by itself.
    pub async fn ended(self) {
        let Link { service, _program } = self;
        let _ = service.waiting().await;
    }
}

/// What a server has.
///
/// # Errors
/// A sentence that says what is wrong.
pub async fn list(peer: &Peer<RoleClient>, keys: &Keys) -> Result<Vec<Listed>, String> {
    let mut tools = Vec::new();
    let mut cursor = None;
    loop {
        let page = PaginatedRequestParams::default().with_cursor(cursor);
        let found = peer.list_tools(Some(page)).await.map_err(|error| brief(&error))?;
        tools.extend(found.tools.into_iter().map(|tool| {
            let allowed = keys.allows(&tool.name);
            let schema = Value::Object(Map::clone(&tool.input_schema));
            let fits = schema.to_string().len() <= SCHEMA_MAX;
            let description = tool.description.as_deref().filter(|_| allowed).unwrap_or_default();
            Listed {
                description: clean(description, DESCRIPTION_MAX),
                schema: if allowed && fits { schema } else { Value::Null },
                name: tool.name.into_owned(),
            }
        }));
        cursor = found.next_cursor.filter(|_| tools.len() < TOOLS_MAX);
        if cursor.is_none() {
            tools.truncate(TOOLS_MAX);
            return Ok(tools);
        }
    }
}

/// Why a call came to nothing.
pub enum Failure {
    /// The server refused it, or did not understand it: a sentence.
    Refused(String),
    /// The connection is gone: a sentence.
    Lost(String),
}

/// Makes a call. When `unwanted` comes first, the server is told so and nothing is answered.
pub async fn call(
    peer: &Peer<RoleClient>,
    tool: String,
    args: Map<String, Value>,
    bytes_max: usize,
    unwanted: impl Future<Output = ()>,
) -> Option<Result<Outcome, Failure>> {
    let params = CallToolRequestParams::new(tool).with_arguments(args);
    let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
    let handle = match peer.send_cancellable_request(request, PeerRequestOptions::no_options()).await {
        Ok(handle) => handle,
        Err(error) => return Some(Err(failure(error))),
    };
    let id = handle.id.clone();
    tokio::select! {
        answered = handle.await_response() => Some(match answered {
            Ok(ServerResult::CallToolResult(result)) => Ok(answer::of(result, bytes_max)),
            Ok(_) => Err(Failure::Refused("failed: the server answered with something else".to_owned())),
            Err(error) => Err(failure(error)),
        }),
        () = unwanted => {
            let why = Some("nobody waits for it any more".to_owned());
            let _ = peer.notify_cancelled(CancelledNotificationParam::new(Some(id), why)).await;
            None
        }
    }
}

fn failure(error: ServiceError) -> Failure {
    match error {
        ServiceError::McpError(error) => Failure::Refused(format!("failed: {}", clean(&error.message, 300))),
        ServiceError::UnexpectedResponse => {
            Failure::Refused("failed: the server answered with something that cannot be read".to_owned())
        }
        ServiceError::TransportSend(error) => match http::too_long(error.error.as_ref()) {
            Some(bytes) => Failure::Refused(format!("failed: it answered with more than {} MB", bytes >> 20)),
            None => Failure::Lost(brief(&error)),
        },
        other => Failure::Lost(brief(&other)),
    }
}

/// An error with its reasons, without what moves a terminal, within a bound.
fn brief(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut reason = error.source();
    while let Some(error) = reason {
        let more = error.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        reason = error.source();
    }
    clean(&words, 300).replace('\n', " ")
}
