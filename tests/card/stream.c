/*
 * The stream: where the hardware pointer is, when it stops, what moves in and out.
 *
 * The clock alone decides where the hardware is; nothing runs in between. Playback goes into the speaker's file as
 * soon as it is written, at the frames where it will be heard, so the file up to "now" is what the DAC has played and
 * what lies beyond is what it would play next. Capture reads the microphone's file at the frames asked for.
 */
#include "stream.h"

#include <string.h>
#include <unistd.h>

int stream_gone(const struct stream *s)
{
	return s->plugs % 2 == 0 || LOAD(s->direction->faults.plugs) != s->plugs;
}

/* What the calls of a card fail with that is there and does not work, below 0; 0 = it works. */
int stream_broken(const struct stream *s)
{
	uint32_t number = LOAD(s->direction->faults.stream_errno);
	return number < FAILS_POLL ? -(int)number : 0;
}

/* Frames the clock has moved since the start. */
static int64_t clock_frames(const struct stream *s)
{
	struct clock clock = clock_read(&s->direction->clock, s->store.rate);
	int64_t position = clock_position(&clock, now_ns());
	if (position < 0)
		position = 0;
	return muldiv_down(position, s->io.rate, (int64_t)s->store.rate * POSITION_UNIT) - s->start;
}

/*
 * The hardware pointer now. Hardware that moves whole packets hands captured ones over when they are full, and takes
 * the next one to be played when it begins.
 */
static int64_t clock_pointer(const struct stream *s)
{
	int64_t now = clock_frames(s);
	if (s->grain > 1)
		now += (s->playback ? s->grain : 0) - now % s->grain;
	return now;
}

/* When the hardware pointer gets to a frame; INT64_MAX while the clock stands still. */
int64_t stream_time(const struct stream *s, int64_t frame)
{
	struct clock clock = clock_read(&s->direction->clock, s->store.rate);
	int64_t grains = (frame + s->grain - 1) / s->grain - (s->playback && s->grain > 1);
	if (clock.stalled)
		return INT64_MAX;
	return clock_time(&clock, muldiv_up(s->start + grains * s->grain, (int64_t)s->store.rate * POSITION_UNIT,
					    s->io.rate));
}

/* The application pointer, unwrapped next to the hardware's. */
int64_t stream_appl(const struct stream *s)
{
	int64_t boundary = (int64_t)s->boundary;
	int64_t distance = (int64_t)s->io.appl_ptr - s->hw % boundary;
	if (distance > boundary / 2)
		distance -= boundary;
	else if (distance < -boundary / 2)
		distance += boundary;
	return s->hw + distance;
}

int64_t stream_avail(const struct stream *s, int64_t appl)
{
	return s->playback ? s->hw + (int64_t)s->io.buffer_size - appl : s->hw - appl;
}

/* Plays what the ring holds up to frame `end`. */
static void play_ring(struct stream *s, int64_t end)
{
	int64_t buffer = (int64_t)s->io.buffer_size;
	while (s->written < end) {
		int64_t at = s->written % buffer, n = end - s->written;
		if (n > buffer - at)
			n = buffer - at;
		sound_play(s, s->written, n, &s->ring[at * s->store.channels]);
		s->written += n;
	}
}

/* Frames from the application to the DAC, or from the ADC; unlike the pointer it knows no packets. */
int64_t stream_delay(const struct stream *s)
{
	int64_t now = s->running ? clock_frames(s) : s->hw;
	if (s->running && s->playback && s->io.state == SND_PCM_STATE_DRAINING && now > stream_appl(s))
		now = stream_appl(s);
	/* A sound server knows what it has been given, not where the application thinks it stands. */
	if (!s->takes_back)
		return s->written > now ? s->written - now : 0;
	return s->playback ? stream_appl(s) - now : now - stream_appl(s);
}

int stream_start(struct stream *s)
{
	int64_t buffer = (int64_t)s->io.buffer_size, appl;

	s->start = 0;
	s->hw = 0;
	s->start = clock_frames(s);
	s->running = 1;
	appl = stream_appl(s);
	if (s->playback) {
		/* The ring is heard as far as the process has come; what it took back and left is not. */
		int64_t end = s->takes_back ? appl : s->written;
		s->written = end > buffer ? end - buffer : 0;
		play_ring(s, end);
	}
	STORE(s->direction->report.start, (uint64_t)s->start);
	STORE(s->direction->report.state, STREAM_RUNNING);
	COUNT(s->direction->report.starts, 1);
	wake_arm(s, appl);
	return 0;
}

/* Stops the card; what would have been heard from frame `end` on is not. */
void stream_halt(struct stream *s, int64_t end, uint32_t state)
{
	if (s->running && s->playback)
		sound_erase(s, end, s->written);
	s->running = 0;
	STORE(s->direction->report.state, state);
}

/* Brings the hardware pointer up to now. 0, or what stopped the stream: -ENODEV, -EPIPE. */
int stream_update(struct stream *s)
{
	struct faults *faults = &s->direction->faults;
	uint32_t forced = LOAD(faults->forced_xruns);
	int64_t appl, now;

	if (stream_gone(s)) {
		stream_halt(s, s->running ? clock_pointer(s) : s->hw, STREAM_GONE);
		s->io.state = SND_PCM_STATE_DISCONNECTED;
		return -ENODEV;
	}
	if (!s->running) {
		s->forced_xruns = forced;
		return s->io.state == SND_PCM_STATE_XRUN ? -EPIPE : 0;
	}

	appl = stream_appl(s);
	now = clock_pointer(s);
	if (s->io.state == SND_PCM_STATE_DRAINING) {
		/* A draining stream plays what it has, then alsa-lib drops it. */
		if (s->playback && now > appl)
			now = appl;
		s->hw = now > s->hw ? now : s->hw;
		return 0;
	}
	s->hw = now > s->hw ? now : s->hw; /* a new anchor never turns the card back */
	if (forced != s->forced_xruns || (stream_avail(s, appl) >= (int64_t)s->stop_threshold &&
					  s->stop_threshold < s->boundary)) {
		s->forced_xruns = forced;
		COUNT(s->direction->report.xruns, 1);
		/* An underrun stopped where the sound ended, a forced one now. */
		stream_halt(s, appl < s->hw ? appl : s->hw, STREAM_XRUN);
		s->io.state = SND_PCM_STATE_XRUN;
		return -EPIPE;
	}
	if (s->playback && s->stop_threshold >= s->boundary && !s->silences)
		play_ring(s, s->hw); /* a ring that nobody silences is played again and again */
	return 0;
}

/* Frames of the process, beginning with frame `at`, into the ring and to the DAC. */
static void put(struct stream *s, int64_t at, int64_t frames, const int16_t *in)
{
	int64_t buffer = (int64_t)s->io.buffer_size;
	while (frames > 0) {
		int64_t n = frames, slot = at % buffer, heard = at;
		if (n > buffer - slot)
			n = buffer - slot;
		if (s->running && at < s->hw) {
			/* Too late: the DAC has passed. The ring's memory comes round again, and there it is heard. */
			int64_t behind = s->hw - at;
			heard = at + (behind + buffer - 1) / buffer * buffer;
			if (n > (behind - 1) % buffer + 1)
				n = (behind - 1) % buffer + 1;
			COUNT(s->direction->report.late, n);
		}
		memcpy(&s->ring[slot * s->store.channels], in, (size_t)n * s->store.channels * sizeof(int16_t));
		if (s->running)
			sound_play(s, heard, n, in);
		if (heard + n > s->written)
			s->written = heard + n;
		at += n;
		frames -= n;
		in += n * s->store.channels;
	}
}

/* Frames for the process, beginning with frame `at`; an unread ring holds the newest of what went round. */
static void get(const struct stream *s, int64_t at, int64_t frames, int16_t *out)
{
	int64_t buffer = (int64_t)s->io.buffer_size;
	while (frames > 0) {
		int64_t n = frames, ahead = s->hw - at, source = at;
		if (ahead > buffer) {
			source = at + (ahead - 1) / buffer * buffer;
			if (n > s->hw - source)
				n = s->hw - source;
		}
		sound_capture(s, source, n, out);
		at += n;
		frames -= n;
		out += n * s->store.channels;
	}
}

/* Moves frames at the application pointer, which alsa-lib then advances. */
int64_t stream_transfer(struct stream *s, const snd_pcm_channel_area_t *areas, snd_pcm_uframes_t offset, int64_t frames)
{
	int16_t chunk[CHUNK * CHANNELS_MAX];
	int64_t appl = stream_appl(s);
	int64_t at = appl;

	if (s->playback) {
		int64_t now = s->running ? clock_pointer(s) : 0;
		s->hw = now > s->hw ? now : s->hw; /* as late as possible: it decides what is too late */
		if (!s->takes_back)
			at = s->written > s->hw ? s->written : s->hw;
	}
	for (int64_t done = 0; done < frames;) {
		int64_t n = frames - done < CHUNK ? frames - done : CHUNK;
		if (s->playback) {
			sound_from_areas(s, areas, offset + done, n, chunk);
			put(s, at + done, n, chunk);
		} else {
			get(s, at + done, n, chunk);
			sound_to_areas(s, areas, offset + done, n, chunk);
		}
		done += n;
	}
	COUNT(s->direction->report.transferred, frames);
	wake_arm(s, appl + frames);
	return frames;
}
