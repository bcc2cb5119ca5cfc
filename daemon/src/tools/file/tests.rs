use serde_json::json;

use super::*;

const LOG: &str = r#"
name = "log_reading"
description = "Writes a reading of a gauge down."
per_minute_max = 6

[command]
argv = ["/usr/bin/logger", "--", "{gauge}", "{value}", "{note?}"]

[parameters]
required = ["gauge", "value"]
[parameters.properties.gauge]
type = "string"
enum = ["oil", "water"]
[parameters.properties]
value = { type = "number", minimum = 0 }
note = { type = "string", maxLength = 200 }

[test]
gauge = "oil"
value = 3.5
"#;

fn mistakes(text: &str) -> Vec<String> {
    let path = Path::new("/etc/pressel/tools.d/t.toml");
    let mistakes = read(path, text).expect_err("a mistake in it");
    mistakes.iter().map(|mistake| mistake.to_string().replace("/etc/pressel/tools.d/", "")).collect()
}

#[test]
fn a_tool_is_read() {
    let tool = read(Path::new("log.toml"), LOG).unwrap();
    assert_eq!(tool.head.name, "log_reading");
    assert_eq!(tool.head.per_minute_max, 6);
    assert_eq!(json!(tool.test), json!({ "gauge": "oil", "value": 3.5 }));
    let declared = tool.declare();
    assert_eq!(declared["parameters"]["required"], json!(["gauge", "value"]));
    assert!(declared.get("behavior").is_none());
    assert!(tool.is_for("visitor"));
}

#[test]
fn a_tool_without_arguments_declares_none() {
    let text =
        "name = \"lamp\"\ndescription = \"On.\"\nroles = [\"staff\"]\n[command]\nargv = [\"/bin/true\"]\n";
    let tool = read(Path::new("lamp.toml"), text).unwrap();
    assert_eq!(tool.declare(), json!({ "name": "lamp", "description": "On." }));
    assert!(tool.is_for("staff") && !tool.is_for("visitor"));
}

#[test]
fn every_mistake_has_its_line() {
    let check = |from: &str, to: &str, expected: &[&str]| {
        assert!(LOG.contains(from), "{from}");
        let found = mistakes(&LOG.replace(from, to));
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}");
        }
    };
    check(
        "name = \"log_reading\"",
        "name = \"log reading\"",
        &["t.toml:2: name = \"log reading\" is no name; allowed"],
    );
    check("name = \"log_reading\"\n", "", &["t.toml: name is missing"]);
    check(
        "per_minute_max",
        "per_minut_max",
        &["t.toml:4: per_minut_max: no such key; did you mean \"per_minute_max\"?"],
    );
    check(
        "= 6",
        "= 0.5",
        &["t.toml:4: per_minute_max = 0.5 is not a whole number; allowed: 1 to 1000, or 0"],
    );
    check(
        "[command]",
        "[comand]",
        &["t.toml:6: [comand]: no such table; did you mean \"command\"?", "t.toml: does nothing"],
    );
    check(
        "\"/usr/bin/logger\"",
        "\"logger\"",
        &["t.toml:7: [command] argv: begins with something other than"],
    );
    check("{value}", "{valu}", &["t.toml:7: [command] argv: no such parameter; did you mean \"value\"?"]);
    check("{note?}", "{note}", &["t.toml:7: [command] argv: {note} may be missing: write {note?}"]);
    check("{note?}", "{note", &["t.toml:7: [command] argv: \"{note\" has a { that nothing closes"]);
    check("maxLength", "maxlength", &["t.toml:16: [parameters.properties.note] maxlength is no keyword"]);
    check(
        "type = \"string\"\nenum",
        "type = \"text\"\nenum",
        &["t.toml:12: [parameters.properties.gauge] type: \"text\" is no type"],
    );
    check(
        "gauge = \"oil\"",
        "gauge = \"beer\"",
        &["t.toml:18: [test]: wrong arguments: gauge is not one of oil, water"],
    );
    check("[test]", "[test", &["t.toml:18: "]);
}

#[test]
fn a_server_is_read_and_its_mistakes_have_lines() {
    let text = "name = \"shop\"\nask = \"Shall I?\"\nconfirm = \"hold\"\n[mcp]\ncommand = [\"/bin/cat\"]\nallow = [\"find\"]\n";
    let shop = read(Path::new("shop.toml"), text).unwrap();
    assert!(matches!(&shop.way, Way::Server(keys) if keys.allow == ["find"]));
    let check = |from: &str, to: &str, expected: &str| {
        assert!(text.contains(from), "{from}");
        assert_eq!(mistakes(&text.replace(from, to)), [expected]);
    };
    let both = "t.toml:6: [mcp] url: stands beside command; a server is one of the two";
    check("allow", "url = \"https://example.com\"\nallow", both);
    check(
        "/bin/cat",
        "cat",
        "t.toml:5: [mcp] command: begins with something other than the whole path of a program",
    );
    let none =
        "t.toml:6: [mcp] allow: names no tool, so that none is offered; allowed: names of tools, or [\"*\"]";
    check("[\"find\"]", "[]", none);
    let typo = "t.toml:6: [mcp] alow: no such key; did you mean \"allow\"?";
    assert_eq!(mistakes(&text.replace("allow", "alow"))[0], typo);
    let test = "t.toml:7: [test]: stands beside [mcp], whose tools have their own";
    assert_eq!(mistakes(&format!("{text}[test]\n")), [test]);
}
