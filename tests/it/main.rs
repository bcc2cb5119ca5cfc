//! One binary, so that it links once.
mod aloop;
mod answer;
mod faults;
mod hold;
mod open;
mod scene;
mod sound;
mod talks;
mod tap;
