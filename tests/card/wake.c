/*
 * Waking the process as hardware does: only at period boundaries, and only once avail_min frames are there.
 *
 * There is no thread; a timer is set to the boundary in question each time the application pointer is known to have
 * moved. The test's fifo stands behind the same descriptor, so that an unplug or the end of a stall reaches a sleeper.
 */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define NOW 1
#define NEVER 0
#define ASLEEP ((int64_t)LONG_MAX / 4) /* so many frames are never there */

static int watch(int epoll_fd, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };
	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

int wake_open(struct stream *s, const char *kick_path)
{
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	/* Opened for writing too, so that a test that comes and goes is no end of file. */
	s->kick_fd = kick_path ? open(kick_path, O_RDWR | O_NONBLOCK | O_CLOEXEC) : -1;
	s->armed_ns = NEVER;
	if (s->epoll_fd < 0 || s->timer_fd < 0 || watch(s->epoll_fd, s->timer_fd) < 0)
		return -errno;
	if (kick_path && (s->kick_fd < 0 || watch(s->epoll_fd, s->kick_fd) < 0))
		return -errno;
	wake_drain(s);
	return 0;
}

void wake_close(struct stream *s)
{
	int fds[] = { s->epoll_fd, s->timer_fd, s->kick_fd };
	for (unsigned i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* Empties the fifo. */
void wake_drain(struct stream *s)
{
	char bytes[64];
	s->kicks = LOAD(s->direction->faults.kicks);
	while (s->kick_fd >= 0 && read(s->kick_fd, bytes, sizeof(bytes)) > 0)
		;
}

/* Frames that must be there before the process is woken. */
static int64_t threshold(const struct stream *s)
{
	snd_pcm_uframes_t frames = s->avail_min;
	if (s->io.state == SND_PCM_STATE_DRAINING)
		return (int64_t)s->io.buffer_size;
	/* An xrun is worth a wake-up too. */
	if (s->running && s->stop_threshold < s->boundary && s->stop_threshold < frames)
		frames = s->stop_threshold;
	return frames < ASLEEP ? (int64_t)frames : ASLEEP;
}

int stream_ready(const struct stream *s, int64_t appl)
{
	return stream_avail(s, appl) >= threshold(s);
}

/* Sets the timer for a process that will sleep with its application pointer at `appl`. */
void wake_arm(struct stream *s, int64_t appl)
{
	int64_t ns = NEVER;

	if (stream_gone(s) || LOAD(s->direction->faults.stream_errno) || (!s->running && s->io.state != SND_PCM_STATE_PREPARED) || stream_ready(s, appl)) {
		ns = NOW;
	} else if (s->running && threshold(s) < ASLEEP) {
		int64_t target = s->hw + threshold(s) - stream_avail(s, appl);
		int64_t period = (int64_t)s->io.period_size;
		ns = stream_time(s, (target + period - 1) / period * period);
		if (ns == INT64_MAX)
			ns = NEVER;
	}
	/* A timer that has gone off stays readable until it is set again: that is "now" already. */
	if (ns == NOW && s->armed_ns > NOW && s->armed_ns <= now_ns())
		s->armed_ns = NOW;
	if (ns != s->armed_ns) {
		struct itimerspec timer = {
			.it_value = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 },
		};
		timerfd_settime(s->timer_fd, TFD_TIMER_ABSTIME, &timer, NULL);
		s->armed_ns = ns;
	}
}
