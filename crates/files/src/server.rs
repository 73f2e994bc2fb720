//! The MCP server: what rmcp asks, handed to threads that may block. [`crate::tools`], [`crate::resources`] and
//! [`crate::watch`] have the answers.

use std::sync::Arc;

use rmcp::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, Implementation,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, ServerCapabilities,
    ServerConfig, SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams,
};
use rmcp::service::{RequestContext, RoleServer, SubscriptionContext};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::definitions::{self, Effect};
use crate::failure::Failure;
use crate::folder::{Folder, Folders, OpenFolderError};
use crate::listings::Listings;
use crate::tools::Called;
use crate::watch::{self, Watches};
use crate::work::Workers;
use crate::{preview, resources, tools};

/// `subscriptions/listen` requests of one client that are open at once; each has a watcher of the system's.
const LISTENING_LIMIT: usize = 16;

/// An MCP server for folders.
///
/// Each connection is served by its own value: a clone shares the open folders, and nothing else, with the one that it
/// was made from. See the [crate's documentation](crate) for what it does.
#[derive(Debug)]
pub struct FileServer {
    shared: Arc<Served>,
    listings: Arc<Listings>,
    workers: Workers,
    listening: Arc<Semaphore>,
    watches: Watches,
}

/// What all clones have in common.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) folders: Folders,
    tools: Vec<Tool>,
}

impl FileServer {
    /// Opens the folders. Each is held from now on: what is put in its place later is not served.
    ///
    /// # Errors
    ///
    /// When there is no folder, one can't be opened, or a read-only one lies in a read-write one.
    pub fn open(folders: impl IntoIterator<Item = Folder>) -> Result<Self, OpenFolderError> {
        let folders = Folders::open(folders)?;
        let listed = definitions::ALL
            .iter()
            .filter(|definition| folders.writable() || definition.effect == Effect::Reads);
        let tools = listed.map(|definition| definition.tool.clone()).collect();
        Ok(Self::of(Arc::new(Served { folders, tools })))
    }

    fn of(shared: Arc<Served>) -> Self {
        Self {
            shared,
            listings: Arc::default(),
            workers: Workers::default(),
            listening: Arc::new(Semaphore::new(LISTENING_LIMIT)),
            watches: Watches::default(),
        }
    }

    /// Says what a call of a tool would change, as things are, for a person who decides about it: the difference to a
    /// file. `None` where nothing would be changed, or the arguments say all.
    pub async fn preview(&self, tool: &str, arguments: &[u8]) -> Option<String> {
        let (shared, tool) = (Arc::clone(&self.shared), tool.to_owned());
        let arguments = serde_json::from_slice(arguments).ok()?;
        self.workers.run(move || preview::preview(&shared.folders, &tool, &arguments)).await.ok().flatten()
    }

    /// Does work that blocks, when it is its turn.
    async fn work<T: Send + 'static>(
        &self,
        context: &RequestContext<RoleServer>,
        work: impl FnOnce(&Served, &CancellationToken) -> T + Send + 'static,
    ) -> Result<T, ErrorData> {
        self.work_leaving(context, move |served, cancel| (work(served, cancel), ())).await
    }

    /// Does work that blocks, and leaves something that is dropped when the result is on its way.
    async fn work_leaving<T: Send + 'static, L: Send + 'static>(
        &self,
        context: &RequestContext<RoleServer>,
        work: impl FnOnce(&Served, &CancellationToken) -> (T, L) + Send + 'static,
    ) -> Result<T, ErrorData> {
        let (shared, cancel) = (Arc::clone(&self.shared), context.ct.clone());
        let done = self.workers.run_leaving(move || work(&shared, &cancel));
        done.await.map_err(|error| ErrorData::internal_error(format!("the server failed: {error}"), None))
    }
}

impl Clone for FileServer {
    fn clone(&self) -> Self {
        Self::of(Arc::clone(&self.shared))
    }
}

impl ServerHandler for FileServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_resources_list_changed()
            .build();
        let folders: Vec<String> = self
            .shared
            .folders
            .iter()
            .map(|folder| format!("{} ({})", folder.name.display(), folder.access))
            .collect();
        let mut info = ServerConfig::new(capabilities);
        info.server_info = Implementation::new("gatelodge-files", env!("CARGO_PKG_VERSION"));
        info.instructions =
            Some(format!("Serves the files in these folders, and nothing else: {}", folders.join(", ")));
        info
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.shared.tools.clone()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.shared.tools.iter().find(|tool| tool.name == name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let (name, arguments) = (request.name, request.arguments.unwrap_or_default());
        if !self.shared.tools.iter().any(|tool| tool.name == name) {
            let writes = definitions::ALL.iter().any(|definition| definition.tool.name == name);
            let reason =
                if writes { "every folder is shared read-only" } else { "tools/list names those there are" };
            let text = format!("there is no tool {name}; {reason}");
            return Ok(CallToolResult::error(vec![ContentBlock::text(text)]).into());
        }
        let listings = Arc::clone(&self.listings);
        let call = move |served: &Served, cancel: &CancellationToken| {
            let Called { result, leftover } =
                tools::call(&served.folders, &listings, &name, arguments, cancel);
            (result, leftover)
        };
        Ok(self.work_leaving(&context, call).await?.into())
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        if is_legacy(&context) {
            // Who has seen the list is told when it changes; in the later protocol a client asks for that.
            self.watches.watch_lists(&self.shared, &context.peer).await;
        }
        let cursor = request.and_then(|request| request.cursor);
        let work =
            move |served: &Served, cancel: &_| resources::list(&served.folders, cursor.as_deref(), cancel);
        let (resources, next) = self.work(&context, work).await?.map_err(error)?;
        let mut result = ListResourcesResult::with_all_items(resources);
        result.next_cursor = next;
        Ok(result)
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(resources::templates(&self.shared.folders)))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let work = move |served: &Served, _: &_| resources::contents(&served.folders, &request.uri);
        let contents = self.work(&context, work).await?.map_err(error)?;
        Ok(ReadResourceResult::new(vec![contents]).into())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let uri = request.uri.clone();
        let exists =
            move |served: &Served, _: &_| resources::locate(&served.folders, &uri)?.metadata().map(|_| ());
        self.work(&context, exists).await?.map_err(error)?;
        self.watches.subscribe(&self.shared, &context.peer, request.uri).await.map_err(error)
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.watches.unsubscribe(request.uri).await;
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        let mut accepted = SubscriptionFilter::new();
        accepted.resources_list_changed = requested.resources_list_changed;
        let served = |uri: &&String| resources::locate(&self.shared.folders, uri).is_ok();
        accepted.resource_subscriptions = requested
            .resource_subscriptions
            .as_ref()
            .map(|uris| uris.iter().filter(served).take(watch::SUBSCRIPTIONS_LIMIT).cloned().collect());
        Some(accepted)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let Ok(_permit) = self.listening.try_acquire() else {
            let message =
                format!("{LISTENING_LIMIT} subscriptions are open, and that is the limit; cancel one first");
            return Err(ErrorData::invalid_request(message, None));
        };
        watch::listen(&self.shared, &context).await;
        Ok(())
    }
}

fn is_legacy(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_none_or(|version| version.as_str() < ProtocolVersion::V_2026_07_28.as_str())
}

/// What a failure is where it is no tool's result.
fn error(failure: Failure) -> ErrorData {
    let message = failure.to_string();
    match failure {
        Failure::Io { .. } | Failure::Cancelled => ErrorData::internal_error(message, None),
        Failure::Request(_) | Failure::TooLarge { .. } | Failure::TooMany { .. } => {
            ErrorData::invalid_params(message, None)
        }
        _ => ErrorData::resource_not_found(message, None),
    }
}
