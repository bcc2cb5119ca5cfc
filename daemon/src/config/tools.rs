//! The table about tools. Each tool is a file of its own; see docs/tools.md.

use super::rule::{Rule, SWITCH, TEXT};
use super::table::table;

table! {
    /// `[tools]`: what the assistant can do besides talking.
    Tools {
        /// Folder with a file for each tool; empty = none.
        folder: String = "/etc/pressel/tools.d", TEXT;
        /// Who talks to this device: tools that name roles are offered to these alone.
        role: String = "", TEXT;
        /// Whether the model may look things up with Google Search, where it can; the service bills it.
        google_search: bool = false, SWITCH;
        /// Socket at which systemd starts a process for a call; where there is none the daemon starts it itself.
        socket: String = "/run/pressel-tool/socket", Rule::Text { empty: true, check: Some(super::text::socket_path) };
        /// Socket of `pressel-mcp`, which holds the connections to MCP servers.
        mcp_socket: String = "/run/pressel-mcp/socket", Rule::Text { empty: true, check: Some(super::text::socket_path) };
        /// Folder of the log of calls; `auto` = where the service's state is; empty = none.
        log_folder: String = "auto", TEXT;
        /// Folder of the notes that the model keeps by the built in tool `remember`; `auto` as above; empty = no notes.
        notes_folder: String = "auto", TEXT;
    }
}
