//! A tool that calls a service of Home Assistant, or reads a state: a preset over `http`.
//!
//! The REST API takes `POST /api/services/DOMAIN/SERVICE` with the entity and the data as JSON, and answers with every state
//! that changed, of which the model needs nothing; `GET /api/states/ENTITY` answers with the state and its attributes
//! (developers.home-assistant.io/docs/api/rest). Home Assistant is a neighbour, so private addresses are allowed here.

use serde_json::{Map, Value, json};

use super::http::{Ask, Told};
use super::schema::{Kind, Schema};
use super::template::Template;
use super::tool::{Http, Verb};
use crate::config::rule::{NAME, TEXT};
use crate::config::table;

table! {
    /// `[home_assistant]`: a service call, or the state of an entity.
    HomeAssistant {
        /// Where it is: `http://homeassistant.local:8123`.
        url: String = "", NAME;
        /// File, or name of a systemd credential, with a long-lived access token.
        secret_file: String = "", NAME;
        /// What is called, such as `light.turn_on`; empty = the entity's state is read.
        service: String = "", TEXT;
        /// What it is done to, or whose state is read.
        entity: String = "", TEXT;
        /// JSON pointer to the part of the answer that the model gets; empty = the state with unit and name, or "done".
        extract: String = "", TEXT;
    }
}

/// The request that stands for it.
///
/// # Errors
/// The key, and what is wrong with it.
pub(super) fn ask(
    keys: HomeAssistant,
    data: Option<Map<String, Value>>,
    parameters: &Schema,
) -> Result<Ask, (&'static str, String)> {
    let base = keys.url.trim_end_matches('/');
    if base.is_empty() || base.contains(['{', '}', '?', '#']) {
        return Err(("url", "is no address; allowed: such as http://homeassistant.local:8123".to_owned()));
    }
    if keys.secret_file.is_empty() {
        return Err(("secret_file", "is missing; make a long-lived access token in your profile".to_owned()));
    }
    for (key, text) in [("service", &keys.service), ("entity", &keys.entity)] {
        chosen(text, parameters).map_err(|problem| (key, problem))?;
    }
    let mut http = Http {
        secret_file: keys.secret_file,
        private: true,
        tls: !base.starts_with("http://"),
        extract: keys.extract,
        ..Http::default()
    };
    if keys.service.is_empty() {
        if keys.entity.is_empty() {
            return Err((
                "entity",
                "is missing: whose state is read, or what service is done to it".to_owned(),
            ));
        }
        if data.is_some() {
            return Err(("service", "is missing, and there is [data] for it".to_owned()));
        }
        http.url = format!("{base}/api/states/{}", keys.entity);
        let told = if http.extract.is_empty() { Told::State } else { Told::Extract };
        return Ask::new(http, None).map(|ask| ask.telling(told));
    }
    let (domain, service) = match keys.service.split_once('.') {
        Some((domain, service)) if is_word(domain) && !service.is_empty() => (domain, service),
        _ => return Err(("service", "is no service; allowed: such as light.turn_on".to_owned())),
    };
    http.method = Verb::Post;
    http.url = format!("{base}/api/services/{domain}/{service}");
    let mut body = data.unwrap_or_default();
    if !keys.entity.is_empty() {
        body.insert("entity_id".to_owned(), json!(keys.entity));
    }
    let told = if http.extract.is_empty() { Told::Done } else { Told::Extract };
    Ask::new(http, Some(&Value::Object(body))).map(|ask| ask.telling(told))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
}

/// What is switched is the owner's to name: an argument in it has a list of words.
fn chosen(text: &str, parameters: &Schema) -> Result<(), String> {
    let template = Template::parse(text)?;
    for (name, _) in template.arguments() {
        let member = parameters.members().iter().find(|member| member.name == name);
        let Some(member) = member else { continue }; // told elsewhere
        if !matches!(&member.schema.kind, Kind::Text { words, .. } if !words.is_empty()) {
            return Err(format!(
                "has {{{name}}}, which may be anything; give {name} an enum of what it may be"
            ));
        }
    }
    Ok(())
}

/// A state as the model is told it.
pub(super) fn state(answer: &Value) -> Option<Map<String, Value>> {
    let mut told = Map::from_iter([("state".to_owned(), answer.get("state")?.clone())]);
    for (attribute, name) in [("unit_of_measurement", "unit"), ("friendly_name", "name")] {
        if let Some(value) = answer.get("attributes").and_then(|all| all.get(attribute)) {
            told.insert(name.to_owned(), value.clone());
        }
    }
    Some(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(service: &str, entity: &str) -> HomeAssistant {
        HomeAssistant {
            url: "http://homeassistant.local:8123/".into(),
            secret_file: "/etc/pressel/secrets/home".into(),
            service: service.into(),
            entity: entity.into(),
            ..HomeAssistant::default()
        }
    }

    fn parameters() -> Schema {
        Schema::read(&json!({
            "required": ["state", "room"],
            "properties": {
                "state": { "type": "string", "enum": ["on", "off"] },
                "room": { "type": "string" },
                "percent": { "type": "integer" }
            }
        }))
        .unwrap()
    }

    #[test]
    fn a_service_and_a_state_are_requests() {
        let data = Map::from_iter([("brightness_pct".to_owned(), json!("{percent?}"))]);
        let ask = ask(keys("light.turn_{state}", "light.kitchen"), Some(data), &parameters()).unwrap();
        assert_eq!(ask.keys.url, "http://homeassistant.local:8123/api/services/light/turn_{state}");
        assert!(ask.keys.private && !ask.keys.tls && ask.keys.method == Verb::Post);
        assert_eq!(ask.arguments(), [("state".to_owned(), false), ("percent".to_owned(), true)]);
        let ask = super::ask(keys("", "sensor.outside"), None, &parameters()).unwrap();
        assert_eq!(ask.keys.url, "http://homeassistant.local:8123/api/states/sensor.outside");
        assert_eq!(ask.keys.method, Verb::Get);
    }

    #[test]
    fn what_may_be_switched_is_the_owner_s_to_name() {
        let check = |keys: HomeAssistant, data: Option<Map<String, Value>>, key: &str, expected: &str| {
            let told = ask(keys, data, &parameters()).unwrap_err();
            assert!(told.0 == key && told.1.contains(expected), "{told:?}");
        };
        check(keys("light.turn_on", "light.{room}"), None, "entity", "may be anything");
        check(keys("{state}.turn_on", "light.a"), None, "service", "is no service");
        check(keys("turn_on", "light.a"), None, "service", "is no service");
        check(keys("", ""), None, "entity", "is missing");
        check(keys("", "sensor.a"), Some(Map::new()), "service", "is missing");
        check(HomeAssistant { url: "".into(), ..keys("", "sensor.a") }, None, "url", "is no address");
        check(
            HomeAssistant { secret_file: "".into(), ..keys("", "sensor.a") },
            None,
            "secret_file",
            "is missing",
        );
    }

    #[test]
    fn a_state_is_told_with_its_unit() {
        let answer = json!({
            "entity_id": "sensor.outside", "state": "21.5", "last_changed": "2026-11-21T16:00:00+00:00",
            "attributes": { "unit_of_measurement": "°C", "friendly_name": "Outside", "device_class": "temperature" }
        });
        assert_eq!(json!(state(&answer)), json!({ "state": "21.5", "unit": "°C", "name": "Outside" }));
        assert_eq!(state(&json!([])), None);
    }
}
