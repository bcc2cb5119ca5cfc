//! Cards that come and go, as they are told.

use tracing::{debug, info, warn};

use super::Report;
use crate::sound::{DeviceNews, Side, Trouble};

impl Report {
    /// A card came or went: logs it and returns the sentence, if there is something to say.
    pub fn device(&mut self, news: &DeviceNews) -> Option<String> {
        let told = match news {
            DeviceNews::Opened { side, format, scheduling, rewinds } => {
                let name = side_name(*side);
                let status = &mut self.sides[*side as usize];
                status.format = Some(format.to_string());
                status.problem = None;
                status.scheduling = Some(scheduling.to_string());
                if *side == Side::Speaker {
                    status.rewinds = Some(*rewinds);
                }
                let device = status.device.clone();
                info!(device, %format, %scheduling, "{name} open");
                if *side == Side::Speaker && !rewinds {
                    warn!(device, "speaker cannot take sound back: its ring is kept shallow");
                }
                self.looked_for[*side as usize] = true;
                format!("{name} {device}: {format}")
            }
            DeviceNews::Waiting { side, reason, known, .. } => {
                let name = side_name(*side);
                let status = &mut self.sides[*side as usize];
                status.format = None;
                status.problem = Some(reason.clone());
                self.looked_for[*side as usize] = true;
                if *known {
                    debug!(reason, "still no {name}");
                    self.find_missing();
                    return None;
                }
                warn!(reason, "no {name}, waiting for it");
                format!("no {name}: {reason}")
            }
            DeviceNews::Trouble { trouble, over } => {
                let (device, words) = (&self.sides[Side::Microphone as usize].device, trouble.words());
                match over {
                    true => info!(device, "the microphone is right again; before, it {words}"),
                    false if *trouble == Trouble::NoTimes => info!(device, "the microphone {words}"),
                    false => warn!(device, "the microphone {words}"),
                }
                let now = if *over { "no longer" } else { "now" };
                format!("microphone {device}, {now}: {words}")
            }
            DeviceNews::LeftOut { channels } => {
                let device = &self.sides[Side::Microphone as usize].device;
                let left_out: Vec<String> =
                    (0..32).filter(|n| channels >> n & 1 == 1).map(|n| n.to_string()).collect();
                let left_out = left_out.join(", ");
                if left_out.is_empty() {
                    info!(device, "all channels of the microphone are used again");
                    format!("microphone {device}: all channels are used again")
                } else {
                    warn!(
                        device,
                        channels = left_out,
                        "channels of the microphone are dead, stuck or clipped, and left out"
                    );
                    format!("microphone {device}: channels left out: {left_out}")
                }
            }
        };
        self.find_missing();
        Some(told)
    }
}

fn side_name(side: Side) -> &'static str {
    match side {
        Side::Microphone => "microphone",
        Side::Speaker => "speaker",
    }
}
