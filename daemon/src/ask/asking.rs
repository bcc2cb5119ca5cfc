//! The question while it is asked: a conversation in which nobody presses and nobody speaks.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use pressel_hal::wav::Wav;
use pressel_hal::{Error, ErrorKind};
use pressel_live::Conversation;
use pressel_live::event::{Action, Input, Note, SpeakerInput, Usage as Counted};
use pressel_live::settings::TalkMode;
use tokio::time::{sleep_until, timeout};

use super::books::Books;
use super::{Answer, NoAnswer, Question, Told};
use crate::config::Config;
use crate::credential::Credential;
use crate::sound::{DeviceNews, Side, Sound, SoundEvent};
use crate::wire::{News, Way, Wire};
use crate::world::World;

/// How long the server may take to answer our close.
const GOODBYE: Duration = Duration::from_millis(500);
/// How long after the answer its count may come; 1.5 to 1.7 s were seen.
const COUNT: Duration = Duration::from_secs(3);
/// What the service sends, should no sound come at all.
const RATE_HZ: u32 = 24_000;

/// A conversation between links and, perhaps, a card.
pub(super) struct Asking<'a> {
    conversation: Conversation,
    wire: Wire,
    /// What it costs.
    books: Books,
    /// The card; none where nobody listens or it cannot be had.
    card: Option<Sound>,
    /// What a card would tell, where there is none: all is heard at once.
    heard: VecDeque<SpeakerInput>,
    tell: &'a mut dyn FnMut(Told<'_>),
    asked_at: Instant,
    answer: Answer,
    /// Sound of each turn.
    sound: Vec<(u32, Vec<i16>)>,
    rate_hz: u32,
    /// What the link suffered from last.
    trouble: String,
    /// The tokens of the present turn were told.
    counted: bool,
    end: Option<Result<(), NoAnswer>>,
}

impl<'a> Asking<'a> {
    pub(super) fn new(
        config: &Config,
        credential: Credential,
        question: &Question,
        tell: &'a mut dyn FnMut(Told<'_>),
    ) -> Result<Self, NoAnswer> {
        let books = Books::open(config);
        if books.spent {
            let text = "the budget is spent: [budget] has its limits, `pressel usage` what was used";
            return Err(NoAnswer::Failed(text.to_owned()));
        }
        let card = if question.aloud { Some(card(config)?) } else { None };
        let mut settings = config.settings(fastrand::u64(..));
        settings.model = credential.model(&settings.model);
        // Nobody speaks: the server need not listen for it, and words are wanted whatever people want else.
        settings.talk = TalkMode::Hold { tail: Duration::ZERO };
        settings.transcribe_output = true;
        crate::tools::offer_search(config, &mut settings);
        let way = Way::new(config, Some(credential)).map_err(NoAnswer::Configuration)?;
        let asked_at = Instant::now();
        let mut conversation = Conversation::new(settings, asked_at);
        conversation.handle_input(asked_at, Input::Ask(question.text.clone()));
        let answer =
            Answer { question: question.text.clone(), model: config.live.model.clone(), ..Answer::default() };
        Ok(Asking {
            conversation,
            wire: Wire::new(way),
            books,
            card,
            heard: VecDeque::new(),
            tell,
            asked_at,
            answer,
            sound: Vec::new(),
            rate_hz: RATE_HZ,
            trouble: String::new(),
            counted: false,
            end: None,
        })
    }

    /// The answer and its sound.
    pub(super) async fn run(mut self, within: Duration, count: bool) -> Result<(Answer, Wav), NoAnswer> {
        let end = self.talk(within).await;
        if count && end.is_ok() && !self.counted {
            // An answer without its count is an answer.
            let _ = timeout(COUNT, self.until_counted()).await;
        }
        self.leave().await;
        end?;
        let samples: Vec<f32> =
            self.sound.iter().flat_map(|(_, samples)| samples).map(|&s| pressel_dsp::from_i16(s)).collect();
        self.answer.sound_ms = samples.len() as u64 * 1000 / u64::from(self.rate_hz);
        let wav = Wav { rate_hz: self.rate_hz, channels: 1, samples };
        Ok((self.answer, wav))
    }

    /// Until the answer is over.
    async fn talk(&mut self, within: Duration) -> Result<(), NoAnswer> {
        let deadline = self.asked_at + within;
        loop {
            self.perform_all();
            if let Some(end) = self.end.take() {
                return end;
            }
            let due = self.conversation.poll_timeout().map_or(deadline, |due| due.min(deadline));
            tokio::select! {
                news = self.wire.next() => self.on_wire(news),
                event = next(&mut self.card) => self.on_card(event),
                () = sleep_until(due.into()) => {}
            }
            let now = Instant::now();
            if now >= deadline {
                return Err(self.late(&format!("no answer within {} s", within.as_secs())));
            }
            if self.conversation.poll_timeout().is_some_and(|due| due <= now) {
                self.conversation.handle_input(now, Input::Timeout);
            }
        }
    }

    /// Until the tokens of the last turn were told, or the link is gone.
    async fn until_counted(&mut self) {
        while !self.counted && self.end.is_none() {
            let news = self.wire.next().await;
            self.on_wire(news);
            self.perform_all();
        }
    }

    /// Closes the link as it should be closed.
    async fn leave(&mut self) {
        self.conversation.handle_input(Instant::now(), Input::Shutdown);
        self.perform_all();
        let goodbye = async {
            while self.wire.is_busy() {
                self.wire.next().await;
            }
        };
        // A server that does not answer our close keeps nobody waiting.
        let _ = timeout(GOODBYE, goodbye).await;
        if let Some(card) = &mut self.card {
            card.stop();
        }
        if let Some(why) = self.books.close() {
            (self.tell)(Told::Trouble(&why));
        }
    }

    fn perform_all(&mut self) {
        loop {
            if let Some(action) = self.conversation.poll_action() {
                self.perform(action);
            } else if let Some(heard) = self.heard.pop_front() {
                self.conversation.handle_input(Instant::now(), Input::Speaker(heard));
            } else {
                return;
            }
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Dial { link } => self.wire.dial(link),
            Action::Send { link, message } => {
                self.books.usage.sends(&message);
                self.wire.send(link, message);
            }
            Action::Ping { link } => self.wire.ping(link),
            Action::Close { link, code } => self.wire.close(link, code),
            Action::Play { turn, samples, rate_hz } => self.play(turn, samples, rate_hz),
            Action::EndOfTurn { turn } => match &mut self.card {
                Some(card) => card.end_of_turn(turn),
                None => self.heard.push_back(SpeakerInput::Drained { turn }),
            },
            Action::Flush { turn } => {
                if let Some(card) = &mut self.card {
                    card.flush(turn);
                }
                let kept = self.sound.len();
                self.sound.retain(|(number, _)| *number > turn);
                if self.sound.len() < kept {
                    self.answer.answer.clear();
                    (self.tell)(Told::Again);
                }
            }
            Action::Note(note) => self.on_note(&note),
            // Nobody presses, speaks or looks; and there are no tools.
            Action::Listen(_) | Action::Duck { .. } | Action::Show(_) | Action::Tell(_) => {}
            Action::CallTool { .. } | Action::CancelTools { .. } => {}
            Action::Ask(_) | Action::AskAloud { .. } | Action::Decide { .. } => {}
        }
    }

    fn play(&mut self, turn: u32, samples: Vec<i16>, rate_hz: u32) {
        self.rate_hz = rate_hz;
        self.books.usage.plays(samples.len(), rate_hz);
        if self.answer.first_sound_ms.is_none() {
            self.answer.first_sound_ms = Some(ms(self.asked_at.elapsed()));
        }
        match self.sound.last_mut().filter(|(number, _)| *number == turn) {
            Some((_, sound)) => sound.extend_from_slice(&samples),
            None => {
                self.sound.push((turn, samples.clone()));
                if self.card.is_none() {
                    self.heard.push_back(SpeakerInput::Started { turn });
                }
            }
        }
        if let Some(card) = &mut self.card {
            card.play(turn, samples, rate_hz);
        }
    }

    fn on_note(&mut self, note: &Note) {
        self.books.usage.note(note);
        match note {
            Note::Said(words) => {
                self.answer.answer.push_str(words);
                (self.tell)(Told::Said(words));
            }
            Note::Grounding(found) => self.answer.grounding = Some(found.clone()),
            Note::Usage(Counted { prompt, response, thoughts, .. }) => {
                let tokens = &mut self.answer.tokens;
                tokens.prompt += prompt;
                tokens.response += response;
                tokens.thoughts += thoughts;
                self.counted = true;
            }
            Note::LinkDown { code, reason, retry, .. } => {
                let told = if reason.is_empty() { format!("closed with {code}") } else { reason.clone() };
                if *retry {
                    (self.tell)(Told::Trouble(&told));
                } else if self.end.is_none() {
                    self.end = Some(Err(NoAnswer::Failed(told.clone())));
                }
                self.trouble = told;
            }
            Note::AskRefused { why } => self.end = Some(Err(NoAnswer::Failed((*why).to_owned()))),
            Note::AskEnded { answered } if self.end.is_none() => {
                self.answer.took_ms = ms(self.asked_at.elapsed());
                self.end = Some(if *answered { Ok(()) } else { Err(self.late("no answer came")) });
            }
            _ => {}
        }
    }

    fn late(&self, what: &str) -> NoAnswer {
        NoAnswer::Late(match self.trouble.as_str() {
            "" => what.to_owned(),
            trouble => format!("{what}; the link's last trouble: {trouble}"),
        })
    }

    fn on_wire(&mut self, News { link, input, .. }: News) {
        self.conversation.handle_input(Instant::now(), Input::Link(link, input));
    }

    fn on_card(&mut self, event: SoundEvent) {
        match event {
            SoundEvent::Speaker(input, _) => {
                self.conversation.handle_input(Instant::now(), Input::Speaker(input))
            }
            SoundEvent::Device(DeviceNews::Waiting { side: Side::Speaker, reason, .. })
                if self.end.is_none() =>
            {
                self.end = Some(Err(NoAnswer::Failed(format!(
                    "{reason}; --wav FILE or --quiet needs no sound card"
                ))));
            }
            SoundEvent::Microphone(_) | SoundEvent::Device(_) => {}
        }
    }
}

/// The speaker that the configuration names, and no microphone.
fn card(config: &Config) -> Result<Sound, NoAnswer> {
    let settings = config.sound();
    let World { speaker, .. } = World::real(config, &settings);
    let nobody = Box::new(|| Err(Error::new(ErrorKind::NotFound, "nobody speaks")));
    Sound::start(settings, nobody, speaker)
        .map_err(|error| NoAnswer::Failed(format!("sound threads: {error}")))
}

/// What the card says next; never anything where there is none.
async fn next(card: &mut Option<Sound>) -> SoundEvent {
    match card {
        Some(card) => card.next().await,
        None => std::future::pending().await,
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
