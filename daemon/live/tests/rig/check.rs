//! What must hold of every action, whatever led to it.

use pressel_live::event::{Action, Decision, Listen};

use super::{Rig, is_silence, kind, samples};

impl Rig {
    pub(super) fn check(&mut self, action: &Action) {
        match action {
            Action::Dial { link } => {
                assert!(*link > self.link, "dial {link} after {}", self.link);
                self.link = *link;
                (self.opened, self.set_up, self.complete) = (false, false, false);
                (self.over, self.closing, self.activity) = (false, false, false);
            }
            Action::Send { link, message } => {
                assert_eq!(*link, self.link, "sent on another link");
                assert!(
                    self.opened && !self.over && !self.closing,
                    "sent on a link that is not open: {message}"
                );
                let kind = kind(message);
                assert!(!self.muted || kind != "audio" || is_silence(message), "sound of a muted microphone");
                assert_eq!(
                    kind == "setup",
                    !std::mem::replace(&mut self.set_up, true),
                    "setup first, and once"
                );
                assert!(self.complete || kind == "setup", "{kind} before setupComplete");
                let fits = match kind.as_str() {
                    "setup" => {
                        self.manual = message.contains("\"disabled\":true");
                        true
                    }
                    "activityStart" => self.manual && !std::mem::replace(&mut self.activity, true),
                    "activityEnd" => self.manual && std::mem::replace(&mut self.activity, false),
                    "audioStreamEnd" => !self.manual,
                    "audio" => (self.activity || !self.manual) && samples(message) > 0,
                    "toolResponse" => true,
                    "clientContent" | "text" => !self.activity,
                    _ => false,
                };
                assert!(fits, "{kind} out of place");
            }
            Action::Close { link, .. } => {
                assert_eq!(*link, self.link);
                assert!(!self.over && !self.closing, "closed a link that is not open");
                self.closing = true;
            }
            Action::Listen(listen) => {
                if let Listen::All { number, .. } | Listen::Gated { number, .. } = listen {
                    let goes_on = *number == self.listen && self.gated;
                    assert!(*number > self.listen || goes_on, "{listen:?} after {}", self.listen);
                    self.listen = *number;
                }
                self.gated = matches!(listen, Listen::Gated { .. });
            }
            Action::Duck { ducked } => {
                assert_ne!(std::mem::replace(&mut self.ducked, *ducked), *ducked, "told again");
            }
            Action::Show(phase) => {
                assert_ne!(self.phase.replace(*phase), Some(*phase), "shown again");
            }
            Action::CallTool { id, .. } => self.unanswered.push(id.clone()),
            Action::CancelTools { ids } => self.unanswered.retain(|id| !ids.contains(id)),
            Action::Play { samples, .. } => assert!(!samples.is_empty(), "played nothing"),
            Action::Ask(agree) => {
                assert_ne!(std::mem::replace(&mut self.asked, *agree), *agree, "asked again");
            }
            Action::Decide { id, decision } => {
                assert!(self.kept.remove(id), "decided about {id}, which is not kept");
                if matches!(decision, Decision::Given(_)) {
                    self.unanswered.push(id.clone());
                    self.runs.push(id.clone());
                }
            }
            Action::Note(_)
            | Action::AskAloud { .. }
            | Action::Ping { .. }
            | Action::Tell(_)
            | Action::EndOfTurn { .. }
            | Action::Flush { .. } => {}
        }
    }
}
