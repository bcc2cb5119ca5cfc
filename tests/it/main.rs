//! One binary, so that it links once.
mod answer;
mod hold;
mod scene;
mod sound;
