//! One binary, so that it links once.
mod hold;
mod scene;
mod sound;
