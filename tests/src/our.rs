//! Our side of a connection: an rmcp server with the tools that the foreign clients call, and an rmcp client that calls
//! those of the foreign servers. They have the same names on both sides.
#![expect(deprecated, reason = "sampling is deprecated, but peers of today's revisions still use it")]

use std::sync::{Arc, Mutex, PoisonError};

use mcp_webrtc::signaling::Signaling;
use mcp_webrtc::{Channel, CloseReason, Identity, Session, SessionBuilder};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientInfo, CreateMessageRequestParams, CreateMessageResult,
    Implementation, ProgressNotificationParam, SamplingMessage,
};
use rmcp::service::{NotificationContext, RequestContext, RunningService, ServiceError};
use rmcp::{
    ClientHandler, ErrorData, RoleClient, RoleServer, ServerHandler, ServiceExt, tool, tool_handler,
    tool_router,
};
use serde_json::{Value, json};

use crate::within_limit;

/// Starts to set up a session of a peer with an identity of its own.
pub fn builder() -> SessionBuilder {
    Session::builder(&Identity::generate().expect("a key can be made"))
}

/// Makes the offer over this link.
///
/// # Panics
///
/// When there is no session.
pub async fn offer(signaling: impl Signaling) -> Session {
    within_limit("our offer", builder().offer(signaling)).await.expect("our offer leads to a session")
}

/// Answers the offer that comes over this link.
///
/// # Panics
///
/// When there is no session.
pub async fn answer(signaling: impl Signaling) -> Session {
    within_limit("our answer", builder().answer(signaling)).await.expect("our answer leads to a session")
}

/// Waits for the session's one channel.
///
/// # Panics
///
/// When the session ends instead.
pub async fn channel(session: &Session) -> Channel {
    within_limit("the channel", session.next_channel()).await.expect("the session has a channel")
}

/// Serves the [`Toolbox`] on the session's channel until the channel ends, and waits for the session to end as well.
///
/// # Panics
///
/// When the peer does not initialize, or neither side ends the session.
pub async fn serve(session: &Session) -> CloseReason {
    let channel = channel(session).await;
    let server = within_limit("initialize", Toolbox.serve(channel)).await.expect("the peer initializes");
    within_limit("the channel's end", server.waiting()).await.expect("the server does not panic");
    within_limit("the session's end", session.closed()).await
}

/// Closes the session and waits until nothing of it is left.
///
/// # Panics
///
/// When that takes too long.
pub async fn close(session: &Session) -> CloseReason {
    within_limit("our close", session.close()).await;
    session.closed().await
}

/// The server on our side. It keeps nothing between calls.
#[derive(Clone)]
pub struct Toolbox;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Text {
    text: String,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Size {
    size: usize,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Count {
    count: u32,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Question {
    question: String,
}

#[tool_router]
impl Toolbox {
    #[tool(description = "Greets the caller")]
    fn greet(&self) -> String {
        "Hello from Rust".to_owned()
    }

    #[tool(description = "Gives the text back")]
    fn echo(&self, Parameters(Text { text }): Parameters<Text>) -> String {
        text
    }

    #[tool(description = "Gives a text of that many bytes")]
    fn big(&self, Parameters(Size { size }): Parameters<Size>) -> String {
        "x".repeat(size)
    }

    #[tool(description = "Reports that many steps of progress, then ends")]
    async fn steps(
        &self,
        Parameters(Count { count }): Parameters<Count>,
        context: RequestContext<RoleServer>,
    ) -> Result<String, ErrorData> {
        let token = context.meta.get_progress_token();
        let token = token.ok_or(ErrorData::invalid_params("this tool needs a progress token", None))?;
        for step in 1..=count {
            let progress =
                ProgressNotificationParam::new(token.clone(), step.into()).with_total(count.into());
            context.peer.notify_progress(progress).await.map_err(internal)?;
        }
        Ok(format!("{count} steps"))
    }

    #[tool(description = "Has the caller's model answer a question")]
    async fn ask(
        &self,
        Parameters(Question { question }): Parameters<Question>,
        context: RequestContext<RoleServer>,
    ) -> Result<String, ErrorData> {
        let params = CreateMessageRequestParams::new(vec![SamplingMessage::user_text(question)], 100);
        let answer = context.peer.create_message(params).await.map_err(internal)?;
        Ok(format!("the model said: {}", text_in(&answer)))
    }
}

#[tool_handler(name = "rust-peer", version = "1.0.0")]
impl ServerHandler for Toolbox {}

fn internal(error: ServiceError) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}

/// A client on our side: calls tools, and stands in for a model that servers may ask.
pub struct Caller {
    service: RunningService<RoleClient, Model>,
    progress: Arc<Mutex<Vec<f64>>>,
}

struct Model {
    progress: Arc<Mutex<Vec<f64>>>,
}

impl ClientHandler for Model {
    fn get_info(&self) -> ClientInfo {
        let capabilities = ClientCapabilities::builder().enable_sampling().build();
        ClientInfo::new(capabilities, Implementation::new("rust-peer", "1.0.0"))
    }

    async fn create_message(
        &self,
        params: CreateMessageRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        let question = params.messages.last().map(text_in).unwrap_or_default();
        let answer = SamplingMessage::assistant_text(format!("you asked '{question}'"));
        Ok(CreateMessageResult::new(answer, "stand-in".to_owned()))
    }

    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).push(params.progress);
    }
}

impl Caller {
    /// Initializes a client on the session's channel.
    ///
    /// # Panics
    ///
    /// When the server does not answer.
    pub async fn start(session: &Session) -> Self {
        let channel = channel(session).await;
        let progress = Arc::default();
        let service = Model { progress: Arc::clone(&progress) }.serve(channel);
        let service = within_limit("initialize", service).await.expect("the server answers to initialize");
        Self { service, progress }
    }

    /// Returns the names of the server's tools.
    ///
    /// # Panics
    ///
    /// When the server does not list them.
    pub async fn tools(&self) -> Vec<String> {
        let tools = within_limit("tools/list", self.service.list_all_tools()).await;
        tools.expect("the server lists its tools").into_iter().map(|tool| tool.name.into_owned()).collect()
    }

    /// Calls a tool and returns the text of its result.
    ///
    /// # Errors
    ///
    /// As rmcp's `call_tool`.
    ///
    /// # Panics
    ///
    /// When there is no text in the result, or no result in time.
    pub async fn call(&self, tool: &'static str, arguments: Value) -> Result<String, ServiceError> {
        let mut call = CallToolRequestParams::new(tool);
        call.arguments = arguments.as_object().cloned();
        let result = within_limit(tool, self.service.call_tool(call)).await?;
        assert_ne!(result.is_error, Some(true), "{tool} failed: {result:?}");
        Ok(text_in(&json!({ "content": result.content[0] })))
    }

    /// Calls a tool that must give a text.
    ///
    /// # Panics
    ///
    /// As [`call`](Caller::call), and when there is an error instead.
    pub async fn text(&self, tool: &'static str, arguments: Value) -> String {
        match self.call(tool, arguments).await {
            Ok(text) => text,
            Err(error) => panic!("{tool} was refused: {error}"),
        }
    }

    /// Sends a text of that many bytes through `echo` and fails unless it comes back as it was.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub async fn echoes(&self, bytes: usize) {
        // Two bytes of UTF-8 a character, so that a side that counts characters instead of bytes is found out.
        let text = "é".repeat(bytes / 2);
        let echo = self.text("echo", json!({ "text": text })).await;
        assert!(echo == text, "{} bytes came back as {}", text.len(), echo.len());
    }

    /// Returns the progress that servers have reported so far.
    pub fn progress(&self) -> Vec<f64> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Closes the channel.
    ///
    /// # Panics
    ///
    /// When that takes too long.
    pub async fn close(self) {
        let quit = within_limit("the client's end", self.service.cancel()).await;
        quit.expect("the client does not panic");
    }

    /// Waits until the server has closed the channel.
    ///
    /// # Panics
    ///
    /// When that takes too long.
    pub async fn closed(self) {
        let quit = within_limit("the server's close", self.service.waiting()).await;
        quit.expect("the client does not panic");
    }
}

/// Returns the text of the content, wherever rmcp's types put it.
fn text_in(message: &impl serde::Serialize) -> String {
    let message = serde_json::to_value(message).expect("rmcp's types are JSON");
    let content = &message["content"];
    content["text"].as_str().or(content[0]["text"].as_str()).unwrap_or_default().to_owned()
}
