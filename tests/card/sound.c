/* Samples between the process's formats, the stream's rate and the card's files. */
#include "stream.h"

#include <string.h>

static int16_t saturate(int64_t v)
{
	return v > INT16_MAX ? INT16_MAX : v < INT16_MIN ? INT16_MIN : (int16_t)v;
}

static unsigned char *area_address(const snd_pcm_channel_area_t *area, snd_pcm_uframes_t frame)
{
	return (unsigned char *)area->addr + (area->first + area->step * frame) / 8;
}

/* One sample to 16 bits, rounded: a converter that is exact on 16-bit sound stays exact. */
static int16_t sample_load(snd_pcm_format_t format, const unsigned char *p)
{
	int16_t s16;
	int32_t s32;
	switch (format) {
	case SND_PCM_FORMAT_S24_3LE:
		s32 = (int32_t)((uint32_t)p[0] << 8 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 24);
		return saturate(((int64_t)s32 + 0x8000) >> 16);
	case SND_PCM_FORMAT_S32_LE:
		memcpy(&s32, p, sizeof(s32));
		return saturate(((int64_t)s32 + 0x8000) >> 16);
	default:
		memcpy(&s16, p, sizeof(s16));
		return s16;
	}
}

static void sample_store(snd_pcm_format_t format, unsigned char *p, int16_t v)
{
	int32_t s32 = (int32_t)((uint32_t)(uint16_t)v << 16);
	switch (format) {
	case SND_PCM_FORMAT_S24_3LE:
		p[0] = 0;
		p[1] = (unsigned char)v;
		p[2] = (unsigned char)(v >> 8);
		break;
	case SND_PCM_FORMAT_S32_LE:
		memcpy(p, &s32, sizeof(s32));
		break;
	default:
		memcpy(p, &v, sizeof(v));
	}
}

/* Process to card: a channel the process does not have repeats its last one. */
void sound_from_areas(const struct stream *s, const snd_pcm_channel_area_t *areas, snd_pcm_uframes_t offset,
		      int64_t frames, int16_t *out)
{
	for (uint32_t c = 0; c < s->store.channels; c++) {
		const snd_pcm_channel_area_t *area = &areas[c < s->io.channels ? c : s->io.channels - 1];
		for (int64_t i = 0; i < frames; i++)
			out[i * s->store.channels + c] = sample_load(s->io.format, area_address(area, offset + i));
	}
}

/* Card to process: its first channels. */
void sound_to_areas(const struct stream *s, const snd_pcm_channel_area_t *areas, snd_pcm_uframes_t offset,
		    int64_t frames, const int16_t *in)
{
	for (uint32_t c = 0; c < s->io.channels; c++) {
		uint32_t from = c < s->store.channels ? c : s->store.channels - 1;
		for (int64_t i = 0; i < frames; i++)
			sample_store(s->io.format, area_address(&areas[c], offset + i), in[i * s->store.channels + from]);
	}
}

/* First frame of the file at or after a frame of the stream. */
static int64_t file_frame(const struct stream *s, int64_t frame)
{
	return (frame * s->store.rate + s->io.rate - 1) / s->io.rate;
}

/*
 * Lets the DAC play `frames` frames from `frame` of the stream on. They go to the file at once, at the place where
 * they will be heard: what is written again before that time comes is heard in its new form.
 */
void sound_play(const struct stream *s, int64_t frame, int64_t frames, const int16_t *in)
{
	int64_t first = s->start + frame;
	uint32_t channels = s->store.channels;
	int16_t held[CHUNK * CHANNELS_MAX];

	int64_t from = file_frame(s, first), end = file_frame(s, first + frames);

	if ((uint64_t)end > LOAD(s->direction->report.queued_until))
		STORE(s->direction->report.queued_until, (uint64_t)end);
	if (s->io.rate == s->store.rate) {
		store_write(&s->store, first, frames, in);
		return;
	}
	/* Another rate than the file's: each sample is held until the next. */
	while (from < end) {
		int64_t n = end - from < CHUNK ? end - from : CHUNK;
		for (int64_t i = 0; i < n; i++) {
			int64_t source = (from + i) * s->io.rate / s->store.rate - first;
			memcpy(&held[i * channels], &in[source * channels], channels * sizeof(int16_t));
		}
		store_write(&s->store, from, n, held);
		from += n;
	}
}

/* Takes frames out of the speaker's future. */
void sound_erase(const struct stream *s, int64_t from, int64_t to)
{
	if (from < to) {
		int64_t first = file_frame(s, s->start + from);
		store_silence(&s->store, first, file_frame(s, s->start + to) - first);
	}
}

/* Adds what the speaker plays to `frames` frames of the microphone's file from `first` on. */
static void add_echo(const struct stream *s, int64_t first, int64_t frames, int16_t *out)
{
	int64_t gain = LOAD(s->direction->faults.echo_gain_q16);
	if (gain == 0 || s->far_end.fd < 0)
		return;
	/* Both clocks may drift: the way from one to the other is by time. */
	struct clock near_clock = clock_read(&s->direction->clock, s->store.rate);
	struct clock far_clock = clock_read(&s->control->direction[1].clock, s->far_end.rate);
	int64_t delay = (int64_t)LOAD(s->direction->faults.echo_delay_ns);
	int64_t ns = clock_time(&near_clock, first * POSITION_UNIT) - delay;
	double step = (double)s->far_end.rate * (1e9 + (double)far_clock.drift_ppb) /
		      ((double)s->store.rate * (1e9 + (double)near_clock.drift_ppb));
	/* In 1/256 frames: whole nanoseconds would miss whole frames by a hair. */
	double position = (double)((clock_position(&far_clock, ns) * 256 + POSITION_UNIT / 2) / POSITION_UNIT) / 256;
	int16_t far_end[CHUNK * CHANNELS_MAX];
	int64_t base = 0, in_hand = 0; /* which frames far_end holds */

	for (int64_t i = 0; i < frames; i++) {
		double at = position + step * (double)i;
		int64_t whole = (int64_t)at - (at < 0);
		if (whole + 1 >= base + in_hand || in_hand == 0) {
			base = whole;
			in_hand = CHUNK;
			store_read(&s->far_end, base, in_hand, far_end);
		}
		double fraction = at - (double)whole, sum = 0;
		const int16_t *frame = &far_end[(whole - base) * s->far_end.channels];
		for (uint32_t c = 0; c < s->far_end.channels; c++)
			sum += frame[c] * (1 - fraction) + frame[c + s->far_end.channels] * fraction;
		double echo = sum / s->far_end.channels * (double)gain / 65536;
		for (uint32_t c = 0; c < s->store.channels; c++) {
			int16_t *sample = &out[i * s->store.channels + c];
			*sample = saturate(*sample + (int64_t)(echo < 0 ? echo - 0.5 : echo + 0.5));
		}
	}
}

static void file_capture(const struct stream *s, int64_t first, int64_t frames, int16_t *out)
{
	store_read(&s->store, first, frames, out);
	add_echo(s, first, frames, out);
}

/* What the microphone heard, `frames` (at most CHUNK) frames from `frame` of the stream on. */
void sound_capture(const struct stream *s, int64_t frame, int64_t frames, int16_t *out)
{
	int64_t first = s->start + frame;
	uint32_t channels = s->store.channels;
	int16_t near_end[CHUNK * CHANNELS_MAX];

	if (s->io.rate == s->store.rate) {
		file_capture(s, first, frames, out);
		return;
	}
	/* Another rate than the file's: straight lines between its samples. */
	int64_t base = 0, in_hand = 0;
	for (int64_t i = 0; i < frames; i++) {
		int64_t scaled = (first + i) * s->store.rate;
		int64_t whole = scaled / s->io.rate, fraction = scaled % s->io.rate;
		if (in_hand == 0 || whole + 1 >= base + in_hand) {
			base = whole;
			in_hand = CHUNK;
			file_capture(s, base, in_hand, near_end);
		}
		const int16_t *a = &near_end[(whole - base) * channels], *b = a + channels;
		for (uint32_t c = 0; c < channels; c++)
			out[i * channels + c] = saturate(a[c] + (b[c] - a[c]) * fraction / (int64_t)s->io.rate);
	}
}
