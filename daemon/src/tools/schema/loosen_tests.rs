use serde_json::{Value, json};

use super::*;

fn loose(properties: Value, required: Value) -> Loosened {
    Schema::loosen(&json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": {
            "place": { "type": "object", "title": "Place", "properties": { "hall": { "type": "string" } } },
            "circle": { "type": "object", "properties": { "next": { "$ref": "#/$defs/circle" } } },
        },
    }))
    .unwrap()
}

/// What one optional value is declared as, and what is said about it.
#[track_caller]
fn check(schema: Value, expected: Value, note: &str) {
    let found = loose(json!({ "a": schema }), json!([]));
    let declared = found.schema.declare()["properties"].get("a").cloned().unwrap_or(Value::Null);
    assert_eq!(declared, expected);
    let notes = found.notes.join("; ");
    assert!(notes.contains(note) && notes.is_empty() == note.is_empty(), "{notes:?}");
}

#[test]
fn what_every_model_takes_stays_as_it_is() {
    check(json!({ "type": "boolean" }), json!({ "type": "BOOLEAN" }), "");
    let whole = json!({ "type": "integer", "minimum": 1, "maximum": 9, "description": "N." });
    check(whole, json!({ "type": "INTEGER", "minimum": 1, "maximum": 9, "description": "N." }), "");
    let list = json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 });
    check(list, json!({ "type": "ARRAY", "items": { "type": "STRING" }, "minItems": "1" }), "");
}

#[test]
fn what_has_other_words_is_said_in_ours() {
    let null =
        json!({ "anyOf": [{ "type": "string", "maxLength": 9 }, { "type": "null" }], "default": null });
    check(null, json!({ "type": "STRING", "maxLength": "9", "nullable": true }), "");
    check(json!({ "type": ["integer", "null"] }), json!({ "type": "INTEGER", "nullable": true }), "");
    check(json!({ "const": "on" }), json!({ "type": "STRING", "enum": ["on"], "format": "enum" }), "");
    let words = json!({ "oneOf": [{ "const": "on" }, { "enum": ["off", "dim"] }] });
    check(words, json!({ "type": "STRING", "enum": ["on", "off", "dim"], "format": "enum" }), "");
    check(
        json!({ "type": "integer", "exclusiveMinimum": 0 }),
        json!({ "type": "INTEGER", "minimum": 1 }),
        "",
    );
    let place =
        json!({ "type": "OBJECT", "properties": { "hall": { "type": "STRING" } }, "description": "Place" });
    check(json!({ "$ref": "#/$defs/place" }), place.clone(), "");
    check(json!({ "allOf": [{ "$ref": "#/$defs/place" }] }), place, "");
    let mail = json!({ "type": "STRING", "description": "Whom. (format: email)" });
    check(json!({ "type": "string", "format": "email", "description": "Whom." }), mail, "");
}

#[test]
fn what_no_model_takes_is_loosened_or_left_out_and_told() {
    let text = json!({ "type": "STRING" });
    check(json!({ "type": "string", "pattern": "(?=x)" }), text.clone(), "a: pattern left out");
    check(
        json!({ "type": "string", "enum": ["", "b"] }),
        json!({ "type": "STRING", "enum": ["b"], "format": "enum" }),
        "the empty word",
    );
    check(json!({ "type": "integer", "enum": [1, 2] }), json!({ "type": "INTEGER" }), "a: enum left out");
    check(
        json!({ "type": "number", "multipleOf": 0.1 }),
        json!({ "type": "NUMBER" }),
        "a: multipleOf left out",
    );
    check(json!({ "anyOf": [{ "type": "string" }, { "type": "integer" }] }), text.clone(), "one of 2 forms");
    check(json!({ "type": ["array", "string"] }), text, "one of 2 types");
    check(json!({ "type": "object", "additionalProperties": true }), Value::Null, "a: left out");
    check(json!({ "type": "array" }), Value::Null, "a: left out");
    check(json!({ "type": "array", "prefixItems": [{ "type": "string" }] }), Value::Null, "a: left out");
    check(json!({ "$ref": "#/$defs/gone" }), Value::Null, "a: left out");
    check(json!({ "$ref": "#/$defs/circle" }), Value::Null, "a: left out");
    check(json!(true), Value::Null, "a: left out");
    check(
        json!({ "type": "string", "minLength": 9, "maxLength": 1 }),
        json!({ "type": "STRING" }),
        "exclude each other",
    );
}

#[test]
fn what_must_be_given_is_asked_for_as_json_and_names_are_made_plain() {
    let found = loose(
        json!({ "user.id": { "type": "string" }, "user-id": { "type": "string" }, "map": { "type": "object" } }),
        json!(["map", "user-id"]),
    );
    let declared = found.schema.declare();
    assert_eq!(declared["required"], json!(["map", "user_id"]));
    assert_eq!(declared["properties"]["map"], json!({ "type": "STRING", "description": "(as JSON text)" }));
    assert!(declared["properties"]["user_id_2"].is_object(), "{declared}");
    let mend = |declared: &str, original: &str, json| Mend {
        declared: declared.into(),
        original: original.into(),
        json,
    };
    assert_eq!(
        found.mends,
        [mend("map", "map", true), mend("user_id", "user-id", false), mend("user_id_2", "user.id", false)]
    );
}

#[test]
fn a_schema_that_cannot_be_said_is_refused_with_its_reason() {
    let told = |json: Value| Schema::loosen(&json).unwrap_err();
    assert!(told(Value::Null).contains("refers to what is not there"));
    let many: serde_json::Map<String, Value> =
        (0..41).map(|n| (format!("a{n}"), json!({ "type": "string" }))).collect();
    let names: Vec<String> = many.keys().cloned().collect();
    assert!(told(json!({ "properties": many, "required": names })).contains("more than 40 arguments"));
    let long = json!({ "properties": { "a": { "type": "string", "enum": vec!["x".repeat(900); 20] } } });
    assert!(told(long).contains("longer than 16 kB"));
    assert!(Schema::loosen(&json!({})).unwrap().schema.members().is_empty(), "no arguments are none");
}

proptest::proptest! {
    /// Whatever a server sends: a schema that can be declared, or a reason; never a panic, never a keyword of its own.
    #[test]
    fn any_schema_ends_in_ours(json in any_json()) {
        if let Ok(found) = Schema::loosen(&json!({ "properties": { "a": json }, "required": ["a"] })) {
            let declared = found.schema.declare();
            proptest::prop_assert!(declared["properties"]["a"]["type"].is_string(), "{declared}");
        }
    }
}

fn any_json() -> impl proptest::strategy::Strategy<Value = Value> {
    use proptest::prelude::*;
    let word = proptest::sample::select(vec![
        "type",
        "properties",
        "required",
        "items",
        "anyOf",
        "allOf",
        "enum",
        "const",
        "$ref",
        "minimum",
        "pattern",
        "minLength",
        "string",
        "integer",
        "object",
        "array",
        "null",
        "number",
        "a",
        "#",
        "#/properties/a",
        "(",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((word.clone(), inner), 0..6)
                .prop_map(|all| all.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}
