use std::path::PathBuf;

use serde_json::json;

use super::*;
use crate::tools::schema::Schema;
use crate::tools::tool::OnCancel;

fn server(name: &str, keys: Keys) -> Tool {
    let head =
        Head { name: name.into(), confirm: Confirm::Hold, on_cancel: OnCancel::Finish, ..Head::default() };
    let file = PathBuf::from(format!("{name}.toml"));
    Tool { file, head, parameters: Schema::nothing(), test: None, way: Way::Server(Box::new(keys)) }
}

fn allow(names: &[&str]) -> Keys {
    let allow = names.iter().map(|&name| name.to_owned()).collect();
    Keys { command: vec!["/bin/server".into()], allow, ..Keys::default() }
}

fn listed(server: &str, names: &[&str]) -> Server {
    let schema = json!({ "type": "object", "properties": { "what": { "type": "string" } } });
    let tools = names.iter().map(|&name| Listed {
        name: name.into(),
        description: format!("\u{1b}[31m{name}"),
        schema: schema.clone(),
    });
    Server { name: server.into(), state: State::Up, why: String::new(), tools: tools.collect() }
}

fn names(offer: &Offer) -> Vec<&str> {
    offer.tools.iter().map(|tool| tool.head.name.as_str()).collect()
}

#[test]
fn nothing_is_offered_that_the_file_does_not_name() {
    let shelf = [server("shop", allow(&["find", "gone"]))];
    let listing = Listing { servers: vec![listed("shop", &["find", "wipe"]), listed("other", &["find"])] };
    let offer = offer(&shelf, &listing);
    assert_eq!(names(&offer), ["find"]);
    let notes: Vec<&str> = offer.notes.iter().map(|(_, note)| note.as_str()).collect();
    assert_eq!(notes, ["it has no tool \"gone\", which allow names", "not allowed: wipe"]);
    let find = &offer.tools[0];
    assert_eq!(find.head.description, "[31mfind", "what moves a terminal is taken out");
    assert_eq!((find.head.confirm, find.head.on_cancel), (Confirm::Hold, OnCancel::Finish));
}

#[test]
fn names_that_meet_are_told_apart_by_their_servers() {
    let mut door = server("door", allow(&["*"]));
    door.way = Way::Mcp(Box::new(Remote { server: String::new(), tool: String::new(), mends: Vec::new() }));
    let shelf = [door, server("a", allow(&["*"])), server("b", allow(&["*"]))];
    let listing = Listing {
        servers: vec![listed("b", &["find", "door", "get.stock"]), listed("a", &["find", "b_find"])],
    };
    let first = offer(&shelf, &listing);
    assert_eq!(names(&first), ["a_find", "b_door", "b_find", "get_stock"]);
    let has =
        |note: &str| assert!(first.notes.iter().any(|(_, text)| text == note), "{note}: {:?}", first.notes);
    has("find is a_find to the model");
    has("get.stock is get_stock to the model");
    has("find is not offered: b_find is too long or taken");
    let mut turned = listing.clone();
    turned.servers.reverse();
    assert_eq!(names(&offer(&shelf, &turned)), names(&first), "whoever came up first");
}

#[test]
fn tools_stay_while_pressel_mcp_is_started_again() {
    let before = Listing { servers: vec![listed("shop", &["find"]), listed("door", &["open"])] };
    let gone = |name: &str, state: State| Server { state, ..listed(name, &[]) };
    let again = Listing { servers: vec![gone("shop", State::Starting)] };
    let kept = again.after(&before);
    assert_eq!(kept.servers.len(), 1, "the other has no file any more");
    assert_eq!((kept.servers[0].state, &kept.servers[0].tools), (State::Starting, &before.servers[0].tools));
    let down = Listing { servers: vec![gone("shop", State::Down)] }.after(&kept);
    assert_eq!(down.servers[0].tools, before.servers[0].tools);
    let none = Listing { servers: vec![gone("shop", State::Up)] }.after(&down);
    assert_eq!(none.servers[0].tools, [], "it has said that it has none");
}

#[test]
fn another_server_under_the_same_name_is_not_offered_the_tools_of_the_former() {
    let before = [server("stock", allow(&["*"])), server("shop", allow(&["*"]))];
    let now = [server("stock", Keys { url: "https://other/mcp".into(), ..allow(&["*"]) }), before[1].clone()];
    let listing = Listing { servers: vec![listed("stock", &["order"]), listed("shop", &["find"])] };
    let left = listing.of_the_same(&before, &now);
    assert_eq!(left.servers, [listed("shop", &["find"])]);
}

#[test]
fn consent_may_be_about_some_of_a_servers_tools() {
    let keys = Keys { confirm_for: vec!["wipe".into()], ..allow(&["*"]) };
    let offer = offer(&[server("shop", keys)], &Listing { servers: vec![listed("shop", &["find", "wipe"])] });
    let asked: Vec<Confirm> = offer.tools.iter().map(|tool| tool.head.confirm).collect();
    assert_eq!(asked, [Confirm::Never, Confirm::Hold]);
}

#[test]
fn arguments_get_their_names_and_types_back() {
    let schema = json!({
        "type": "object",
        "properties": {
            "user-id": { "type": "integer" },
            "filter": { "type": "object", "additionalProperties": true },
            "since": { "anyOf": [{ "type": "string" }, { "type": "null" }] },
        },
        "required": ["user-id", "filter", "since"]
    });
    let loose = Schema::loosen(&schema).unwrap();
    let remote = Remote { server: "s".into(), tool: "t".into(), mends: loose.mends };
    let Value::Object(args) = json!({ "user_id": 7, "filter": "{\"a\": [1]}" }) else { unreachable!() };
    let args = remote.arguments(&loose.schema, loose.schema.fit(args).unwrap()).unwrap();
    assert_eq!(Value::Object(args), json!({ "user-id": 7, "filter": { "a": [1] }, "since": null }));
    let Value::Object(bad) = json!({ "filter": "{" }) else { unreachable!() };
    assert_eq!(remote.arguments(&loose.schema, bad).unwrap_err(), "wrong arguments: filter is not JSON");
}

#[test]
fn keys_that_do_not_fit_together_are_told() {
    let check = |keys: Keys, expected: Option<&str>| {
        assert_eq!(keys.mistake().map(|(key, _)| key), expected, "{keys:?}");
    };
    let with = |url: &str| Keys { url: url.into(), allow: vec!["*".into()], ..Keys::default() };
    check(allow(&["*"]), None);
    check(with("https://example.com/mcp"), None);
    check(with("http://example.com/mcp"), Some("url"));
    check(Keys { tls: false, ..with("http://example.com/mcp") }, None);
    check(Keys::default(), Some("command"));
    check(Keys { url: "https://example.com".into(), ..allow(&["*"]) }, Some("url"));
    check(Keys { command: vec!["server".into()], ..allow(&["*"]) }, Some("command"));
    check(allow(&[]), Some("allow"));
    check(Keys { env: vec!["LANG".into()], ..allow(&["*"]) }, Some("env"));
    check(Keys { secret_file: "/k".into(), ..allow(&["*"]) }, Some("secret_env"));
    check(Keys { secret_env: "K".into(), ..allow(&["*"]) }, Some("secret_file"));
    check(Keys { secret_env: "K".into(), ..with("https://example.com/mcp") }, Some("secret_env"));
}
