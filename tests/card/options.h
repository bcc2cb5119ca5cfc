/* What an asound.conf says about one direction of the card, and the files behind it. */
#ifndef PRESSEL_OPTIONS_H
#define PRESSEL_OPTIONS_H

#include "stream.h"

#define LIST_MAX 16

struct list {
	unsigned int count, value[LIST_MAX];
};

struct options {
	const char *control, *kick, *sound, *far_end;
	long file_rate, file_channels, far_end_rate, far_end_channels;
	struct list rates, channels, formats;
	long period_min, period_max, buffer_min, buffer_max; /* frames */
	long takes_back, pointer_frames;
};

int options_read(struct options *options, snd_config_t *conf);
int options_constrain(const struct options *options, snd_pcm_ioplug_t *io);
int card_acquire(struct stream **stream, const struct options *options, int playback);
void card_release(struct stream *s);

#endif
