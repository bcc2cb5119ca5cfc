//! One binary, so that it links once.
mod aloop;
mod answer;
mod captures;
mod devices;
mod ending;
mod faults;
mod hold;
mod open;
mod privacy;
mod refusals;
mod replay;
mod scene;
mod service;
mod sound;
mod talks;
mod tap;
mod tidy;
