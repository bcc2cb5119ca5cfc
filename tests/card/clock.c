/* The card's clock: a straight line through an anchor, so that drift and stalls are a new anchor. */
#include "card.h"

#include <sched.h>
#include <time.h>

int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

struct clock clock_read(struct clock_anchor *anchor, uint32_t rate)
{
	struct clock clock = { .rate = rate };
	/* A writer that died half-way must not hang a sound thread: after some tries take what is there. */
	for (int tries = 0; tries < 1000; tries++) {
		uint32_t before = LOAD(anchor->sequence);
		clock.stalled = LOAD(anchor->stalled) != 0;
		clock.at_ns = (int64_t)LOAD(anchor->at_ns);
		clock.position = LOAD(anchor->position);
		clock.drift_ppb = LOAD(anchor->drift_ppb);
		if (before % 2 == 0 && before == LOAD(anchor->sequence))
			break;
		sched_yield();
	}
	return clock;
}

/* Millionths of a frame per 10^12 ns ticks of drift-free time: rate * (10^9 + ppb), see the divisions below. */
static __int128 speed(const struct clock *clock)
{
	return (__int128)clock->rate * (1000000000 + clock->drift_ppb);
}

static int64_t divide_down(__int128 a, __int128 b)
{
	return (int64_t)(a >= 0 ? a / b : -((-a + b - 1) / b));
}

static int64_t divide_up(__int128 a, __int128 b)
{
	return -divide_down(-a, b);
}

/* Position at a time, rounded down. */
int64_t clock_position(const struct clock *clock, int64_t ns)
{
	if (clock->stalled)
		return clock->position;
	return clock->position + divide_down((ns - clock->at_ns) * speed(clock), 1000000000000);
}

/* First nanosecond at which the position is reached. Says nothing about a stalled clock. */
int64_t clock_time(const struct clock *clock, int64_t position)
{
	return clock->at_ns + divide_up((__int128)(position - clock->position) * 1000000000000, speed(clock));
}
