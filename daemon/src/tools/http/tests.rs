use serde_json::json;

use super::*;

fn keys(url: &str) -> Keys {
    Keys { url: url.to_owned(), ..Keys::default() }
}

fn map(args: Value) -> Map<String, Value> {
    let Value::Object(args) = args else { panic!("arguments are an object") };
    args
}

#[test]
fn an_argument_stays_one_segment_or_one_value() {
    let check = |url: &str, args: Value, expected: Result<&str, &str>| {
        let request = Ask::new(keys(url), None).unwrap().request(&map(args), Duration::from_secs(1));
        match (request, expected) {
            (Ok(request), Ok(target)) => assert_eq!(request.url.target().to_string(), target),
            (Err(told), Err(expected)) => assert!(told.contains(expected), "{told}"),
            (got, expected) => panic!("{got:?}, expected {expected:?}"),
        }
    };
    let orders = "https://shop.example/orders/{order}?lang={lang?}";
    check(
        orders,
        json!({ "order": "A 7/..?x=1#y&z", "lang": "de&admin=1" }),
        Ok("/orders/A%207%2F..%3Fx%3D1%23y%26z?lang=de%26admin%3D1"),
    );
    check(orders, json!({ "order": 7 }), Ok("/orders/7?lang="));
    check(orders, json!({ "order": "ü\r\nHost: evil" }), Ok("/orders/%C3%BC%0D%0AHost%3A%20evil?lang="));
    check(orders, json!({ "order": ".." }), Err("order cannot be a part of an address"));
    check(orders, json!({ "order": "" }), Err("order cannot be a part of an address"));
    check(orders, json!({}), Err("order is missing"));
}

#[test]
fn the_host_is_the_owner_s_to_name() {
    let check = |url: &str, expected: &str| {
        let (key, told) = Ask::new(keys(url), None).unwrap_err();
        assert!(key == "url" && told.contains(expected), "{url}: {told}");
    };
    check("{url}", "begins with an argument");
    check("https://{host}/x", "argument in its host");
    check("https://shop.example{path}", "argument in its host");
    check("https://shop.example:{port}/", "argument in its host");
    check("http://shop.example/", "unencrypted");
    check("https://me:secret@shop.example/", "a user name");
    let plain = Keys { tls: false, ..keys("http://lamp.local/on") };
    assert!(Ask::new(plain, None).is_ok());
}

#[test]
fn a_body_keeps_types_and_cannot_be_broken_out_of() {
    let body = json!({ "entity": "light.{room}", "level": "{level}", "note": "{note?}", "fixed": [1, true, "{{x}}"] });
    let ask = Ask::new(Keys { method: Verb::Post, ..keys("https://home.example/api") }, Some(&body)).unwrap();
    let sent = |args: Value| {
        let request = ask.request(&map(args), Duration::from_secs(1)).unwrap();
        serde_json::from_slice::<Value>(&request.body).unwrap()
    };
    assert_eq!(
        sent(json!({ "room": "a\", \"admin\": \"", "level": 3 })),
        json!({ "entity": "light.a\", \"admin\": \"", "level": 3, "fixed": [1, true, "{x}"] })
    );
    assert_eq!(sent(json!({ "room": "k", "level": [1], "note": "n" }))["note"], "n");
    assert_eq!(ask.arguments().iter().filter(|(_, optional)| *optional).count(), 1);
}

#[test]
fn headers_and_pointers_are_checked_when_the_file_is_read() {
    let check = |change: &dyn Fn(&mut Keys), expected: (&str, &str)| {
        let mut keys = keys("https://shop.example/");
        change(&mut keys);
        let (key, told) = Ask::new(keys, None).unwrap_err();
        assert!(key == expected.0 && told.contains(expected.1), "{key}: {told}");
    };
    check(&|k| k.headers = vec!["no header".into()], ("headers", "is no header"));
    check(&|k| k.headers = vec!["Host: other".into()], ("headers", "set already"));
    check(&|k| k.headers = vec!["Authorization: Bearer x".into()], ("headers", "secret_file"));
    check(&|k| k.headers = vec!["X-A: a\u{0}b".into()], ("headers", "holds something"));
    check(&|k| k.secret_header = "no header".into(), ("secret_header", "is no header's name"));
    check(&|k| k.secret_header = "Host".into(), ("secret_header", "set already"));
    let twice =
        |k: &mut Keys| (k.headers, k.secret_header) = (vec!["X-Api-Key: a".into()], "x-api-key".into());
    check(&twice, ("headers", "where the secret goes"));
    check(&|k| k.extract = "order".into(), ("extract", "no JSON pointer"));
}

#[test]
fn a_secret_goes_into_the_header_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "s3cret\n").unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let sent = |header: &str, prefix: &str| {
        let secret_file = file.display().to_string();
        let keys = Keys { secret_file, secret_header: header.into(), ..keys("https://shop.example/") };
        let keys = if prefix == "default" { keys } else { Keys { secret_prefix: prefix.into(), ..keys } };
        let request = Ask::new(keys, None).unwrap().request(&Map::new(), Duration::from_secs(1)).unwrap();
        assert!(!format!("{request:?}").contains("s3cret"), "{request:?}");
        let with = |(name, value): &(HeaderName, HeaderValue)| {
            let value = value.to_str().unwrap();
            value.contains("s3cret").then(|| format!("{name}: {value}"))
        };
        request.headers.iter().filter_map(with).collect::<Vec<_>>()
    };
    assert_eq!(sent("Authorization", "default"), ["authorization: Bearer s3cret"]);
    assert_eq!(sent("Authorization", "Token "), ["authorization: Token s3cret"]);
    assert_eq!(sent("X-Api-Key", "default"), ["x-api-key: s3cret"]);
    assert_eq!(sent("X-Api-Key", "key="), ["x-api-key: key=s3cret"]);
}

#[test]
fn what_comes_back_becomes_an_answer() {
    let check = |extract: &str, text: &str, expected: Result<Value, &str>| {
        let keys = Keys { extract: extract.into(), ..keys("https://shop.example/") };
        match (Ask::new(keys, None).unwrap().answer(text), expected) {
            (Ok(object), Ok(expected)) => assert_eq!(Value::Object(object), expected),
            (Err(told), Err(expected)) => assert!(told.contains(expected), "{told}"),
            (got, expected) => panic!("{got:?}, expected {expected:?}"),
        }
    };
    let order = "{\"order\": {\"status\": \"sent\", \"days\": [1, 2]}}";
    check("", order, Ok(json!({ "order": { "status": "sent", "days": [1, 2] } })));
    check("/order/status", order, Ok(json!({ "output": "sent" })));
    check("/order", order, Ok(json!({ "status": "sent", "days": [1, 2] })));
    check("/order/days/1", order, Ok(json!({ "output": 2 })));
    check("/nothing", order, Err("has no /nothing"));
    check("/a", "<html>", Err("not JSON"));
    check("", "Sunny,\u{1b}[2J 21 °C", Ok(json!({ "output": "Sunny,[2J 21 °C" })));
    check("", "", Ok(json!({ "output": "done" })));
}

proptest::proptest! {
    /// Whatever an argument is: the host, the path's length and the query's names stay the owner's; no header is made of it.
    #[test]
    fn any_argument_stays_where_it_is_put(text in proptest::prelude::any::<String>()) {
        let ask = Ask::new(keys("https://shop.example/a/{t}/b?q={t}&r=1"), Some(&json!({ "t": "{t}", "u": "x{t}" }))).unwrap();
        if let Ok(request) = ask.request(&map(json!({ "t": text })), Duration::from_secs(1)) {
            let target = request.url.target().to_string();
            let (path, query) = target.split_once('?').unwrap();
            proptest::prop_assert!(path.split('/').count() == 4 && path.ends_with("/b"), "{}", target);
            proptest::prop_assert!(query.starts_with("q=") && query.ends_with("&r=1"), "{}", target);
            proptest::prop_assert_eq!(query.matches(['&', '=', '#']).count(), 3);
            proptest::prop_assert!(target.bytes().all(|byte| byte.is_ascii_graphic()));
            proptest::prop_assert!(request.headers.len() == 2);
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            proptest::prop_assert_eq!(body, json!({ "t": text, "u": format!("x{text}") }));
        }
    }

    /// Whatever a service says: an answer or a sentence.
    #[test]
    fn any_answer_is_taken(text in ".*") {
        for extract in ["", "/a/0"] {
            let keys = Keys { extract: extract.into(), ..keys("https://shop.example/") };
            if let Err(told) = Ask::new(keys, None).unwrap().answer(&text) {
                proptest::prop_assert!(told.starts_with("failed: "), "{}", told);
            }
        }
    }
}
