//! Model providers: what an agent says to a model is quoted, and nothing that makes the provider do something is.

use serde_json::Value;

use super::*;
use crate::http::{Body, without_quoted};

/// Stands for a credential that the agent came across.
const STRAY: &str = "STRAY";

/// What is left of a body when what it quotes is taken out, and the worst that it does.
fn left(pack: &str, asked: &str, body: &Value) -> (String, EffectKind, bool) {
    let request = request_of(asked, &[], Some(body.clone()));
    let reading = read(&request, Some(pack));
    let rest = without_quoted(&request, reading.quoted());
    let body = match rest.map(|rest| rest.body) {
        Some(Body::Json(rest)) => rest,
        _ => body.clone(),
    };
    let analysis = &reading.analysis;
    (body.to_string(), analysis.worst(), analysis.is_complete())
}

const MESSAGES: &str = "POST /v1/messages";
const RESPONSES: &str = "POST /v1/responses";
const CHAT: &str = "POST /v1/chat/completions";
const CONTENT: &str = "POST /v1beta/models/m:streamGenerateContent";

#[test]
fn a_conversation_is_quoted_wherever_its_texts_stand() {
    let answer = json!({ "stdout": STRAY, "deep": { "token": [STRAY] }, STRAY: 1 });
    for (pack, asked, body) in [
        (
            "anthropic",
            MESSAGES,
            json!({
                "model": "m", "max_tokens": 9, "stream": true,
                "system": [{ "type": "text", "text": STRAY, "cache_control": { "type": "ephemeral" } }],
                "metadata": { "user_id": STRAY },
                "stop_sequences": [STRAY],
                "tools": [{ "name": "look", "description": STRAY, "input_schema": { "properties": { "token": { "default": STRAY } } } }],
                "messages": [
                    { "role": "user", "content": STRAY },
                    { "role": "user", "content": [
                        { "type": "text", "text": STRAY },
                        { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": STRAY } },
                        { "type": "document", "title": STRAY, "context": STRAY, "source": { "type": "text", "media_type": "text/plain", "data": STRAY } },
                        { "type": "document", "source": { "type": "content", "content": [{ "type": "text", "text": STRAY }] } },
                    ] },
                    { "role": "assistant", "content": [
                        { "type": "thinking", "thinking": STRAY, "signature": STRAY },
                        { "type": "redacted_thinking", "data": STRAY },
                        { "type": "tool_use", "id": "t1", "name": "look", "input": answer },
                    ] },
                    { "role": "user", "content": [
                        { "type": "tool_result", "tool_use_id": "t1", "content": STRAY },
                        { "type": "tool_result", "tool_use_id": "t2", "content": [
                            { "type": "text", "text": STRAY },
                            { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": STRAY } },
                            { "type": "search_result", "source": STRAY, "title": STRAY, "content": [{ "type": "text", "text": STRAY }] },
                        ] },
                    ] },
                    { "role": "assistant", "content": [
                        { "type": "server_tool_use", "id": "s1", "name": "bash_code_execution", "input": { "command": STRAY } },
                        { "type": "bash_code_execution_tool_result", "tool_use_id": "s1", "content": { "type": "bash_code_execution_result", "stdout": STRAY, "stderr": STRAY, "return_code": 0, "content": [] } },
                        { "type": "web_search_tool_result", "tool_use_id": "s2", "content": [{ "type": "web_search_result", "title": STRAY, "encrypted_content": STRAY, "url": "https://docs.example" }] },
                    ] },
                ],
            }),
        ),
        (
            "anthropic",
            "POST /v1/messages/count_tokens",
            json!({ "model": "m", "system": STRAY, "messages": [{ "role": "user", "content": STRAY }] }),
        ),
        (
            "anthropic",
            "POST /v1/messages/batches",
            json!({ "requests": [{ "custom_id": "1", "params": { "model": "m", "system": STRAY, "messages": [
                { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "t", "content": STRAY }] },
            ] } }] }),
        ),
        (
            "openai",
            RESPONSES,
            json!({
                "model": "m", "store": false, "stream": true, "instructions": STRAY, "prompt_cache_key": STRAY,
                "tools": [{ "type": "function", "name": "shell", "description": STRAY, "parameters": { "token": STRAY } }],
                "input": [
                    { "type": "message", "role": "user", "content": [{ "type": "input_text", "text": STRAY }] },
                    { "role": "user", "content": STRAY },
                    { "type": "reasoning", "id": "r", "summary": [{ "type": "summary_text", "text": STRAY }], "encrypted_content": STRAY },
                    { "type": "function_call", "call_id": "c", "name": "shell", "arguments": STRAY },
                    { "type": "function_call_output", "call_id": "c", "output": STRAY },
                    { "type": "function_call_output", "call_id": "c", "output": [{ "type": "input_text", "text": STRAY }] },
                    { "type": "custom_tool_call", "call_id": "c", "name": "patch", "input": STRAY },
                    { "type": "custom_tool_call_output", "call_id": "c", "output": STRAY },
                    { "type": "local_shell_call", "call_id": "c", "action": { "type": "exec", "command": ["cat", STRAY], "env": { "TOKEN": STRAY } } },
                    { "type": "shell_call_output", "call_id": "c", "output": [{ "stdout": STRAY, "stderr": STRAY, "outcome": { "type": "exit", "exit_code": 0 } }] },
                    { "type": "apply_patch_call", "call_id": "c", "operation": { "type": "update_file", "path": "a", "diff": STRAY } },
                    { "type": "compaction", "encrypted_content": STRAY },
                ],
            }),
        ),
        ("openai", RESPONSES, json!({ "model": "m", "input": STRAY })),
        (
            "openai",
            CHAT,
            json!({
                "model": "m", "stop": [STRAY], "user": STRAY,
                "tools": [{ "type": "function", "function": { "name": "look", "description": STRAY, "parameters": { "token": STRAY } } }],
                "messages": [
                    { "role": "system", "content": STRAY },
                    { "role": "user", "content": [{ "type": "text", "text": STRAY }] },
                    { "role": "assistant", "content": null, "tool_calls": [{ "id": "c", "type": "function", "function": { "name": "look", "arguments": STRAY } }] },
                    { "role": "tool", "tool_call_id": "c", "content": STRAY },
                ],
            }),
        ),
        (
            "openai",
            "POST /v1/embeddings",
            json!({ "model": "m", "input": [STRAY, STRAY] }),
        ),
        (
            "gemini",
            CONTENT,
            json!({
                "systemInstruction": { "parts": [{ "text": STRAY }] },
                "tools": [{ "functionDeclarations": [{ "name": "look", "description": STRAY, "parametersJsonSchema": { "token": STRAY } }] }],
                "generationConfig": { "stopSequences": [STRAY], "responseSchema": { "default": STRAY } },
                "contents": [
                    { "role": "user", "parts": [{ "text": STRAY }, { "inlineData": { "mimeType": "image/png", "data": STRAY } }] },
                    { "role": "model", "parts": [{ "functionCall": { "name": "look", "args": answer }, "thoughtSignature": STRAY }] },
                    { "role": "user", "parts": [{ "functionResponse": { "name": "look", "response": answer } }] },
                    { "role": "user", "parts": [{ "function_response": { "name": "look", "response": answer }, "thought_signature": STRAY }] },
                ],
            }),
        ),
        (
            "gemini",
            "POST /v1beta/models/m:countTokens",
            json!({ "generateContentRequest": { "contents": [{ "parts": [{ "text": STRAY }] }] } }),
        ),
        (
            "gemini",
            "POST /v1beta/models/m:embedContent",
            json!({ "content": { "parts": [{ "text": STRAY }] } }),
        ),
    ] {
        let (left, worst, complete) = left(pack, asked, &body);
        assert!(!left.contains(STRAY), "{pack} {asked}: {left}");
        assert!(
            complete && worst <= EffectKind::Write,
            "{pack} {asked}: {worst}"
        );
    }
}

/// Each could take along what is quoted, or is none of what an agent says.
#[test]
fn nothing_is_quoted_that_makes_the_provider_reach_elsewhere() {
    let said = json!([{ "role": "user", "content": STRAY }]);
    let tool = |tool: Value| json!({ "model": "m", "messages": said, "tools": [tool] });
    let response =
        |tool: Value| json!({ "model": "m", "store": false, "input": STRAY, "tools": [tool] });
    let content = |more: Value| json!({ "contents": [{ "parts": [{ "text": STRAY }, more] }] });
    let address = "https://pictures.example/1.png";
    for (pack, asked, body) in [
        (
            "anthropic",
            MESSAGES,
            json!({ "model": "m", "messages": said, "mcp_servers": [{ "type": "url", "url": "https://tools.example", "name": "t" }] }),
        ),
        (
            "anthropic",
            "POST /v1/messages/count_tokens",
            json!({ "model": "m", "messages": said, "mcp_servers": [{ "type": "url", "url": "https://tools.example", "name": "t" }] }),
        ),
        (
            "anthropic",
            "POST /v1/messages/batches",
            json!({ "requests": [
                { "params": { "model": "m", "messages": said } },
                { "params": { "model": "m", "messages": said, "mcp_servers": [{ "url": "https://tools.example" }] } },
            ] }),
        ),
        (
            "anthropic",
            MESSAGES,
            tool(json!({ "type": "web_fetch_20250910", "name": "web_fetch" })),
        ),
        (
            "anthropic",
            MESSAGES,
            tool(json!({ "type": "mcp_toolset", "mcp_server_name": "t" })),
        ),
        (
            "anthropic",
            MESSAGES,
            tool(json!({ "type": "unheard_of_20300101" })),
        ),
        (
            "anthropic",
            MESSAGES,
            tool(json!({ "Type": "WEB_FETCH_20250910" })),
        ),
        (
            "anthropic",
            MESSAGES,
            json!({ "model": "m", "messages": [{ "role": "user", "content": [{ "type": "text", "text": STRAY }, { "type": "image", "source": { "type": "url", "url": address } }] }] }),
        ),
        (
            "anthropic",
            MESSAGES,
            json!({ "model": "m", "messages": [{ "role": "user", "content": [{ "type": "tool_result", "content": [{ "type": "text", "text": STRAY }, { "type": "document", "source": { "type": "url", "url": address } }] }] }] }),
        ),
        (
            "openai",
            RESPONSES,
            response(json!({ "type": "mcp", "server_url": "https://tools.example" })),
        ),
        (
            "openai",
            RESPONSES,
            response(json!({ "type": "mcp", "connector_id": "connector_gmail" })),
        ),
        (
            "openai",
            RESPONSES,
            response(json!({ "type": "web_search" })),
        ),
        (
            "openai",
            RESPONSES,
            response(json!({ "type": "web_search", "external_web_access": true })),
        ),
        (
            "openai",
            RESPONSES,
            response(json!({ "type": "web_search", "external_web_access": null })),
        ),
        (
            "openai",
            RESPONSES,
            response(json!({ "type": "web_search_preview", "external_web_access": false })),
        ),
        (
            "openai",
            RESPONSES,
            response(json!({ "type": "namespace", "name": "n", "tools": [{ "type": "mcp" }] })),
        ),
        (
            "openai",
            RESPONSES,
            response(json!({ "type": "unheard_of" })),
        ),
        (
            "openai",
            RESPONSES,
            response(
                json!({ "type": "shell", "environment": { "type": "container_auto", "network_policy": { "type": "allowlist" } } }),
            ),
        ),
        (
            "openai",
            RESPONSES,
            json!({ "model": "m", "store": false, "input": [{ "role": "user", "content": STRAY }, { "type": "additional_tools", "tools": [{ "type": "mcp" }] }] }),
        ),
        (
            "openai",
            RESPONSES,
            json!({ "model": "m", "store": false, "input": [{ "role": "user", "content": [{ "type": "input_text", "text": STRAY }, { "type": "input_image", "image_url": address }] }] }),
        ),
        (
            "openai",
            RESPONSES,
            json!({ "model": "m", "store": false, "input": [{ "type": "function_call_output", "output": [{ "type": "input_text", "text": STRAY }, { "type": "input_file", "file_url": address }] }] }),
        ),
        (
            "openai",
            RESPONSES,
            json!({ "model": "m", "store": false, "input": STRAY, "prompt": { "id": "p" } }),
        ),
        ("openai", CHAT, tool(json!({ "type": "mcp" }))),
        (
            "openai",
            CHAT,
            json!({ "model": "m", "messages": said, "web_search_options": {} }),
        ),
        (
            "openai",
            CHAT,
            json!({ "model": "gpt-4o-search-preview", "messages": said }),
        ),
        (
            "openai",
            CHAT,
            json!({ "model": "m", "messages": [{ "role": "user", "content": [{ "type": "text", "text": STRAY }, { "type": "image_url", "image_url": { "url": address } }] }] }),
        ),
        (
            "gemini",
            CONTENT,
            content(json!({ "fileData": { "fileUri": address } })),
        ),
        (
            "gemini",
            CONTENT,
            content(json!({ "file_data": { "file_uri": address } })),
        ),
        (
            "gemini",
            CONTENT,
            content(
                json!({ "functionResponse": { "parts": [{ "fileData": { "fileUri": address } }] } }),
            ),
        ),
        (
            "gemini",
            CONTENT,
            json!({ "contents": [{ "parts": [{ "text": STRAY }] }], "tools": [{ "urlContext": {} }] }),
        ),
        (
            "gemini",
            CONTENT,
            json!({ "contents": [{ "parts": [{ "text": STRAY }] }], "tools": [{ "url_context": {} }] }),
        ),
        (
            "gemini",
            CONTENT,
            json!({ "contents": [{ "parts": [{ "text": STRAY }] }], "tools": [{ "mcpServers": [{ "name": "t" }] }] }),
        ),
        (
            "gemini",
            CONTENT,
            json!({ "contents": [{ "parts": [{ "text": STRAY }] }], "tools": [{ "unheardOf": {} }] }),
        ),
        (
            "gemini",
            CONTENT,
            json!({ "contents": [{ "parts": [{ "text": STRAY }] }], "tools": { "urlContext": [] } }),
        ),
    ] {
        let (left, worst, complete) = left(pack, asked, &body);
        assert!(left.contains(STRAY), "{pack} {asked}: {body}");
        assert!(
            worst == EffectKind::Escape || !complete,
            "{pack} {asked}: {body}"
        );
    }
}

/// What was said before is not seen here, and could have given the model tools.
#[test]
fn nothing_is_quoted_that_goes_on_from_what_is_not_seen() {
    for (pack, asked, body) in [
        (
            "openai",
            RESPONSES,
            json!({ "model": "m", "store": false, "input": STRAY, "previous_response_id": "r" }),
        ),
        (
            "openai",
            RESPONSES,
            json!({ "model": "m", "store": false, "input": STRAY, "conversation": "c" }),
        ),
        (
            "gemini",
            CONTENT,
            json!({ "contents": [{ "parts": [{ "text": STRAY }] }], "cachedContent": "cachedContents/c" }),
        ),
    ] {
        let (left, worst, complete) = left(pack, asked, &body);
        assert!(left.contains(STRAY), "{pack}: {body}");
        assert!(complete && worst <= EffectKind::Write, "{pack}: {body}");
    }
}

/// Credentials for servers elsewhere, and parts that the pack does not know, are never among what is quoted.
#[test]
fn what_is_no_conversation_is_not_quoted() {
    for (pack, asked, body) in [
        (
            "anthropic",
            MESSAGES,
            json!({ "model": "m", "messages": [], "system": "s", "mcp_servers": [{ "url": "https://tools.example", "authorization_token": STRAY }] }),
        ),
        (
            "anthropic",
            MESSAGES,
            json!({ "model": "m", "messages": [], "system": "s", "servers": [{ "token": STRAY }] }),
        ),
        (
            "anthropic",
            MESSAGES,
            json!({ "model": "m", "system": "s", "messages": [{ "role": "user", "content": [{ "type": "text", "text": "x", "authorization": STRAY }] }] }),
        ),
        (
            "anthropic",
            MESSAGES,
            json!({ "model": "m", "system": "s", "messages": [], "tools": [{ "name": "look", "input_schema": {}, "token": STRAY }] }),
        ),
        (
            "openai",
            RESPONSES,
            json!({ "model": "m", "store": false, "input": "x", "tools": [{ "type": "mcp", "server_url": "https://tools.example", "authorization": STRAY }] }),
        ),
        (
            "openai",
            RESPONSES,
            json!({ "model": "m", "store": false, "input": "x", "tools": [{ "type": "mcp", "server_url": "https://tools.example", "headers": { "X-Key": STRAY } }] }),
        ),
        (
            "openai",
            RESPONSES,
            json!({ "model": "m", "store": false, "input": "x", "metadata": { "token": STRAY } }),
        ),
        (
            "openai",
            RESPONSES,
            json!({ "model": "m", "store": false, "input": [{ "role": "user", "content": [{ "type": "input_image", "image_url": format!("data:{STRAY}") }] }] }),
        ),
        (
            "gemini",
            CONTENT,
            json!({ "contents": [{ "parts": [{ "text": "x" }] }], "tools": [{ "googleMaps": { "authConfig": { "apiKeyConfig": { "apiKeyString": STRAY } } } }] }),
        ),
    ] {
        let (left, ..) = left(pack, asked, &body);
        assert!(left.contains(STRAY), "{pack}: {body}");
    }
}
