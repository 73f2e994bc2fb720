//! What the prompt may ask: the question that is visible, and to answer it.

use gatelodge_host::Theme;
use gatelodge_host::approval::view::{PromptAnswer, PromptEvent};
use gatelodge_host::approval::{Nonce, PromptId};
use tauri::State;
use tauri::ipc::Channel;

use crate::desk::Desk;
use crate::failure::Failure;
use crate::prompts::{Order, Prompts};

/// Tells the visible prompt, and each change.
#[tauri::command]
pub(crate) async fn prompt_events(
    prompts: State<'_, Prompts>,
    channel: Channel<PromptEvent>,
) -> Result<(), Failure> {
    prompts.tell(channel);
    Ok(())
}

/// The prompt has been drawn.
#[tauri::command]
pub(crate) async fn prompt_shown(
    desk: State<'_, Desk>,
    prompts: State<'_, Prompts>,
    id: PromptId,
    nonce: Nonce,
) -> Result<(), Failure> {
    tracing::debug!(id = id.number(), "a prompt is drawn");
    prompts.order(Order::Drawn);
    desk.host()?.approvals().drawn(id, nonce);
    Ok(())
}

/// Answers the prompt. The broker decides whether that counts.
#[tauri::command]
pub(crate) async fn prompt_answer(
    desk: State<'_, Desk>,
    nonce: Nonce,
    answer: PromptAnswer,
) -> Result<(), Failure> {
    Ok(desk.host()?.approvals().answer(nonce, answer.into_answer()?)?)
}

/// Returns how the window shall look.
#[tauri::command]
pub(crate) async fn prompt_theme(desk: State<'_, Desk>) -> Result<Theme, Failure> {
    Ok(desk.settings().theme)
}
