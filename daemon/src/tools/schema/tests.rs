use serde_json::{Map, Value, json};

use super::*;

fn torque() -> Value {
    json!({
        "type": "object",
        "properties": {
            "bolt": { "type": "string", "enum": ["M8", "M10"], "description": "Size." },
            "grade": { "type": "number", "minimum": 4.6, "maximum": 12.9 },
            "count": { "type": "INTEGER", "minimum": 1, "maximum": 99 },
            "note": { "type": "string", "maxLength": 5, "pattern": "^[a-z]*$" },
            "dry": { "type": "boolean", "nullable": true },
            "holes": { "type": "array", "items": { "type": "integer" }, "minItems": 1, "maxItems": 2 },
            "site": { "type": "object", "properties": { "hall": { "type": "string" } }, "required": ["hall"] }
        },
        "required": ["bolt"]
    })
}

fn fit(args: Value) -> Result<Value, String> {
    let Value::Object(args) = args else { panic!("arguments are an object") };
    Schema::read(&torque()).unwrap().fit(args).map(Value::Object)
}

#[test]
fn arguments_that_fit_are_taken_and_made_whole() {
    let taken =
        fit(json!({ "bolt": "M8", "count": 3.0, "grade": 8, "dry": null, "holes": [1, 2.0] })).unwrap();
    assert_eq!(taken, json!({ "bolt": "M8", "count": 3, "grade": 8, "holes": [1, 2] }));
}

#[test]
fn what_does_not_fit_is_told_by_name_and_not_quoted() {
    let check = |args: Value, expected: &str| {
        let told = fit(args).unwrap_err();
        assert!(told.contains(expected), "{told}");
        assert!(!told.contains("rm -rf"), "{told}");
    };
    check(json!({}), "bolt is missing; it is a text");
    check(json!({ "bolt": "rm -rf" }), "bolt is not one of M8, M10");
    check(json!({ "bolt": ["M8"] }), "bolt is not a text");
    check(json!({ "bolt": "M8", "grade": 13 }), "grade is not a number from 4.6 to 12.9");
    check(json!({ "bolt": "M8", "count": 3.5 }), "count is not a whole number from 1 to 99");
    check(json!({ "bolt": "M8", "count": 1e300 }), "count is not a whole number");
    check(json!({ "bolt": "M8", "note": "sechs!" }), "note is not at most 5 characters long");
    check(json!({ "bolt": "M8", "note": "ÄÖÜ" }), "note is not like ^[a-z]*$");
    check(json!({ "bolt": "M8", "holes": [] }), "holes is not 1 to 2 items long");
    check(json!({ "bolt": "M8", "holes": ["a"] }), "holes[0] is not a whole number");
    check(json!({ "bolt": "M8", "site": {} }), "site.hall is missing");
    check(
        json!({ "bolt": "M8", "rm -rf": 1 }),
        "there is an argument too many; the arguments are: bolt, count",
    );
    check(json!({ "bolt": "M8", "site": { "hall": "A", "rm -rf": 1 } }), "too many in site");
}

#[test]
fn it_is_declared_as_the_api_spells_it() {
    let declared = Schema::read(&torque()).unwrap().declare();
    assert_eq!(declared["type"], "OBJECT");
    assert_eq!(declared["required"], json!(["bolt"]));
    let properties = &declared["properties"];
    let bolt = json!({ "type": "STRING", "enum": ["M8", "M10"], "format": "enum", "description": "Size." });
    assert_eq!(properties["bolt"], bolt);
    assert_eq!(properties["count"], json!({ "type": "INTEGER", "minimum": 1, "maximum": 99 }));
    assert_eq!(properties["note"], json!({ "type": "STRING", "maxLength": "5", "pattern": "^[a-z]*$" }));
    let format = |format: &str| {
        let at = json!({ "type": "string", "format": format, "description": "When." });
        let schema = Schema::read(&json!({ "properties": { "at": at } })).unwrap();
        schema.declare()["properties"]["at"].clone()
    };
    assert_eq!(format("date"), json!({ "type": "STRING", "description": "When. Format: date." }));
    assert_eq!(
        format("date-time"),
        json!({ "type": "STRING", "format": "date-time", "description": "When." })
    );
    assert_eq!(properties["dry"], json!({ "type": "BOOLEAN", "nullable": true }));
    // What was declared reads back as the same, so a server's schema may be given in either spelling.
    let mut again = declared.clone();
    for key in ["note", "holes"] {
        let member = again["properties"][key].as_object_mut().unwrap();
        for (_, count) in member.iter_mut().filter(|(key, _)| key.starts_with("m")) {
            *count = count.as_str().unwrap().parse::<u64>().unwrap().into();
        }
    }
    assert_eq!(Schema::read(&again).unwrap().declare(), declared);
}

#[test]
fn every_flaw_is_told_with_its_place() {
    let check = |json: Value, expected: &[(&str, &str)]| {
        let flaws = Schema::read(&json).unwrap_err();
        assert_eq!(flaws.len(), expected.len(), "{flaws:?}");
        for (flaw, (pointer, problem)) in flaws.iter().zip(expected) {
            assert_eq!(flaw.pointer, *pointer, "{flaw:?}");
            assert!(flaw.problem.starts_with(problem), "{flaw:?}");
        }
    };
    check(json!("text"), &[("", "is not a table")]);
    check(json!({ "type": "string" }), &[("", "the parameters of a tool are an object")]);
    check(
        json!({ "properties": { "a": { "type": "strng" }, "b": {}, "c d": { "type": "boolean" } } }),
        &[
            ("/properties/a/type", "\"strng\" is no type"),
            ("/properties/b", "has no type"),
            ("/properties/c d", "is no name"),
        ],
    );
    check(
        json!({ "properties": { "a": { "type": "string", "maxLenght": 3, "minLength": -1, "pattern": "(" } } }),
        &[
            (
                "/properties/a/maxLenght",
                "is no keyword beside type \"string\" that every model takes; allowed: \"maxLength\"",
            ),
            ("/properties/a/pattern", "is no regular expression"),
            ("/properties/a/minLength", "is not a whole number from 0"),
        ],
    );
    check(
        json!({ "properties": { "a": { "type": "array" } }, "required": ["A"] }),
        &[
            ("/required", "names \"A\", which is no property; did you mean \"a\"?"),
            ("/properties/a", "is a list of what?"),
        ],
    );
    check(
        json!({ "properties": { "a": { "type": "integer", "$ref": "#" } } }),
        &[("/properties/a/$ref", "is no keyword")],
    );
    let mut deep = json!({ "type": "boolean" });
    for _ in 0..9 {
        deep = json!({ "properties": { "a": deep } });
    }
    let flaws = Schema::read(&deep).unwrap_err();
    assert!(flaws[0].problem.starts_with("is nested deeper"), "{flaws:?}");
}

proptest::proptest! {
    /// Whatever a model sends: an answer and no panic; and what is taken is taken again.
    #[test]
    fn any_arguments_are_answered(text in ".*", number in proptest::num::f64::ANY, count: i64) {
        let schema = Schema::read(&torque()).unwrap();
        for args in [json!({ "bolt": "M8", "note": text }), json!({ "bolt": "M8", "grade": number, "count": count })] {
            let Value::Object(args) = args else { unreachable!() };
            if let Ok(taken) = schema.fit(args) {
                proptest::prop_assert_eq!(schema.fit(taken.clone()), Ok::<Map<String, Value>, String>(taken));
            }
        }
    }
}
