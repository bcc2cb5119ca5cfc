/*
 * A virtual sound card as an ALSA plugin: `type pressel` in an asound.conf, see README.md.
 * This file is what alsa-lib sees; the card itself is in stream.c.
 */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "options.h"

static int card_start(snd_pcm_ioplug_t *io)
{
	struct stream *s = io->private_data;
	if (stream_gone(s)) {
		stream_update(s);
		return -ENODEV;
	}
	if (stream_broken(s))
		return stream_broken(s);
	return stream_start(s);
}

static int card_stop(snd_pcm_ioplug_t *io)
{
	struct stream *s = io->private_data;
	if (s->running && stream_update(s) == 0)
		stream_halt(s, s->hw, STREAM_STOPPED);
	return 0;
}

static snd_pcm_sframes_t card_pointer(snd_pcm_ioplug_t *io)
{
	struct stream *s = io->private_data;
	/* It sets the state itself; a negative answer would make alsa-lib say "xrun" of a card that is gone. */
	stream_update(s);
	return s->boundary ? s->hw % (int64_t)s->boundary : 0;
}

static int card_delay(snd_pcm_ioplug_t *io, snd_pcm_sframes_t *delay)
{
	struct stream *s = io->private_data;
	int err = stream_update(s);
	if (err >= 0)
		err = stream_broken(s);
	if (err < 0)
		return err;
	*delay = stream_delay(s);
	return 0;
}

static snd_pcm_sframes_t card_transfer(snd_pcm_ioplug_t *io, const snd_pcm_channel_area_t *areas,
				       snd_pcm_uframes_t offset, snd_pcm_uframes_t size)
{
	struct stream *s = io->private_data;
	if (stream_gone(s))
		return -ENODEV;
	if (stream_broken(s))
		return stream_broken(s);
	return stream_transfer(s, areas, offset, (int64_t)size);
}

static int card_hw_params(snd_pcm_ioplug_t *io, snd_pcm_hw_params_t *params)
{
	struct stream *s = io->private_data;
	struct report *report = &s->direction->report;
	(void)params;
	if (stream_gone(s))
		return -ENODEV;
	if (stream_broken(s))
		return stream_broken(s);
	free(s->ring);
	s->ring = calloc(io->buffer_size * s->store.channels, sizeof(int16_t));
	if (!s->ring)
		return -ENOMEM;
	STORE(report->rate, io->rate);
	STORE(report->channels, io->channels);
	STORE(report->format, (uint32_t)io->format);
	STORE(report->period, (uint32_t)io->period_size);
	STORE(report->buffer, (uint32_t)io->buffer_size);
	return 0;
}

static int card_sw_params(snd_pcm_ioplug_t *io, snd_pcm_sw_params_t *params)
{
	struct stream *s = io->private_data;
	snd_pcm_uframes_t silence_size;
	snd_pcm_sw_params_get_boundary(params, &s->boundary);
	snd_pcm_sw_params_get_stop_threshold(params, &s->stop_threshold);
	snd_pcm_sw_params_get_avail_min(params, &s->avail_min);
	snd_pcm_sw_params_get_silence_size(params, &silence_size);
	s->silences = silence_size >= s->boundary;
	STORE(s->direction->report.free_running, s->stop_threshold >= s->boundary);
	wake_arm(s, stream_appl(s));
	return 0;
}

static int card_prepare(snd_pcm_ioplug_t *io)
{
	struct stream *s = io->private_data;
	if (stream_gone(s)) {
		stream_update(s);
		return -ENODEV;
	}
	s->running = 0;
	s->hw = 0;
	s->written = 0;
	s->forced_xruns = LOAD(s->direction->faults.forced_xruns);
	memset(s->ring, 0, io->buffer_size * s->store.channels * sizeof(int16_t));
	STORE(s->direction->report.state, STREAM_PREPARED);
	s->armed_ns = -1; /* the state is not PREPARED yet; the next callback sets the timer */
	return 0;
}

static int card_poll_count(snd_pcm_ioplug_t *io)
{
	(void)io;
	return 1;
}

static int card_poll_descriptors(snd_pcm_ioplug_t *io, struct pollfd *pfd, unsigned int space)
{
	struct stream *s = io->private_data;
	if (space < 1)
		return 0;
	stream_update(s);
	wake_arm(s, stream_appl(s));
	pfd->fd = s->epoll_fd;
	pfd->events = POLLIN | POLLERR | POLLNVAL;
	return 1;
}

static int card_poll_revents(snd_pcm_ioplug_t *io, struct pollfd *pfd, unsigned int nfds, unsigned short *revents)
{
	struct stream *s = io->private_data;
	unsigned short ready = s->playback ? POLLOUT : POLLIN;
	int err;

	*revents = 0;
	if (nfds != 1 || !(pfd->revents & POLLIN))
		return 0;
	if (LOAD(s->direction->faults.kicks) != s->kicks)
		wake_drain(s);
	err = stream_update(s);
	if (err == -ENODEV)
		*revents = ready | POLLERR | POLLHUP | POLLNVAL;
	else if (LOAD(s->direction->faults.stream_errno) == FAILS_POLL)
		*revents = POLLERR;
	else if (stream_broken(s))
		*revents = ready; /* whoever calls learns more */
	else if (err < 0 || (!s->running && io->state != SND_PCM_STATE_PREPARED))
		*revents = ready | POLLERR;
	else if (stream_ready(s, stream_appl(s)))
		*revents = ready;

	if (*revents) {
		COUNT(s->direction->report.wakeups, 1);
	} else {
		COUNT(s->direction->report.spurious, 1);
		wake_drain(s);
		s->armed_ns = -1; /* it has fired: set it again even for the same time */
	}
	wake_arm(s, stream_appl(s));
	return 0;
}

static int card_close(snd_pcm_ioplug_t *io)
{
	struct stream *s = io->private_data;
	if (s->running)
		stream_halt(s, s->hw, STREAM_CLOSED);
	if (s->direction)
		STORE(s->direction->report.state, STREAM_CLOSED);
	card_release(s);
	return 0;
}

static const snd_pcm_ioplug_callback_t callbacks = {
	.start = card_start,
	.stop = card_stop,
	.pointer = card_pointer,
	.transfer = card_transfer,
	.close = card_close,
	.hw_params = card_hw_params,
	.sw_params = card_sw_params,
	.prepare = card_prepare,
	.poll_descriptors_count = card_poll_count,
	.poll_descriptors = card_poll_descriptors,
	.poll_revents = card_poll_revents,
	.delay = card_delay,
};

SND_PCM_PLUGIN_DEFINE_FUNC(pressel)
{
	struct options options;
	struct stream *s;
	int err;

	(void)root;
	err = options_read(&options, conf);
	if (err < 0)
		return err;
	err = card_acquire(&s, &options, stream == SND_PCM_STREAM_PLAYBACK);
	if (err < 0)
		return err;

	s->io.version = SND_PCM_IOPLUG_VERSION;
	s->io.name = "Pressel virtual sound card";
	s->io.flags = SND_PCM_IOPLUG_FLAG_MONOTONIC | SND_PCM_IOPLUG_FLAG_BOUNDARY_WA;
	s->io.callback = &callbacks;
	s->io.private_data = s;
	s->io.poll_fd = s->epoll_fd;
	s->io.poll_events = POLLIN;
	err = snd_pcm_ioplug_create(&s->io, name, stream, mode);
	if (err < 0) {
		card_release(s);
		return err;
	}
	err = options_constrain(&options, &s->io);
	if (err < 0) {
		snd_pcm_ioplug_delete(&s->io);
		return err;
	}
	STORE(s->direction->report.state, STREAM_OPEN);
	COUNT(s->direction->report.opens, 1);
	*pcmp = s->io.pcm;
	return 0;
}

SND_PCM_PLUGIN_SYMBOL(pressel);
