/* One direction of the card while it is open. */
#ifndef PRESSEL_STREAM_H
#define PRESSEL_STREAM_H

#include <alsa/asoundlib.h>
#include <alsa/pcm_external.h>

#include "card.h"

struct stream {
	snd_pcm_ioplug_t io;

	/* the card's side, fixed at open */
	int playback;
	int takes_back;        /* 0: written frames queue up behind each other, whatever the application pointer says */
	int64_t grain;         /* the hardware pointer moves in steps of so many frames */
	int control_fd;
	struct control *control;
	struct direction *direction;
	struct store store;    /* microphone or speaker */
	struct store far_end;  /* capture only: the speaker, for the echo; fd -1 = none */
	uint32_t plugs, kicks, forced_xruns; /* as last seen */

	/* waking the process: a timer and the test's fifo behind one epoll descriptor */
	int epoll_fd, timer_fd, kick_fd;
	int64_t armed_ns;

	/* software parameters */
	snd_pcm_uframes_t boundary, stop_threshold, avail_min;
	int silences;          /* the driver fills with silence what it has played */

	/* the stream itself; frames count from `prepare` and never wrap */
	int running;
	int64_t start;         /* absolute number of frame 0, at the stream's rate */
	int64_t hw;            /* frames the card has moved */
	int64_t written;       /* playback: end of what has been put into the ring */
	int16_t *ring;         /* playback: buffer_size frames as the card's memory holds them */
};

/* --- stream.c --- */
int stream_gone(const struct stream *s);
int stream_broken(const struct stream *s);
int64_t stream_appl(const struct stream *s);
int64_t stream_avail(const struct stream *s, int64_t appl);
int stream_start(struct stream *s);
void stream_halt(struct stream *s, int64_t end, uint32_t state);
int stream_update(struct stream *s);
int64_t stream_delay(const struct stream *s);
int64_t stream_time(const struct stream *s, int64_t frame);
int64_t stream_transfer(struct stream *s, const snd_pcm_channel_area_t *areas, snd_pcm_uframes_t offset, int64_t frames);

/* --- wake.c --- */
int wake_open(struct stream *s, const char *kick_path);
void wake_close(struct stream *s);
void wake_arm(struct stream *s, int64_t appl);
void wake_drain(struct stream *s);
int stream_ready(const struct stream *s, int64_t appl);

/* --- sound.c --- */
void sound_play(const struct stream *s, int64_t frame, int64_t frames, const int16_t *in);
void sound_erase(const struct stream *s, int64_t from, int64_t to);
void sound_capture(const struct stream *s, int64_t frame, int64_t frames, int16_t *out);
void sound_from_areas(const struct stream *s, const snd_pcm_channel_area_t *areas, snd_pcm_uframes_t offset,
		      int64_t frames, int16_t *out);
void sound_to_areas(const struct stream *s, const snd_pcm_channel_area_t *areas, snd_pcm_uframes_t offset,
		    int64_t frames, const int16_t *in);

#endif
