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

/* a * b / c without overflow in between, for a, b >= 0 and c > 0. */
#if defined(__SIZEOF_INT128__) && !defined(WITHOUT_INT128)
static uint64_t muldiv(uint64_t a, uint64_t b, uint64_t c, int up)
{
	unsigned __int128 product = (unsigned __int128)a * b;
	return (uint64_t)((product + (up ? c - 1 : 0)) / c);
}
#else /* 32-bit machines have no 128-bit integers */
static uint64_t muldiv(uint64_t a, uint64_t b, uint64_t c, int up)
{
	uint64_t quotient = 0, rest = 0;
	/* a in binary, from the top: double what is there, add b where there is a one, keep the rest below c. */
	uint64_t whole = b / c, part = b % c;
	for (int bit = 63; bit >= 0; bit--) {
		uint64_t carry = rest >= c - rest;
		rest = carry ? rest - (c - rest) : rest * 2;
		quotient = quotient * 2 + carry;
		if (a >> bit & 1) {
			carry = rest >= c - part;
			rest = carry ? rest - (c - part) : rest + part;
			quotient += whole + carry;
		}
	}
	return quotient + (up && rest > 0);
}
#endif

/* a * b / c, rounded down; b >= 0, c > 0. */
int64_t muldiv_down(int64_t a, int64_t b, int64_t c)
{
	if (a < 0)
		return -(int64_t)muldiv(-(uint64_t)a, (uint64_t)b, (uint64_t)c, 1);
	return (int64_t)muldiv((uint64_t)a, (uint64_t)b, (uint64_t)c, 0);
}

/* The same, rounded up. */
int64_t muldiv_up(int64_t a, int64_t b, int64_t c)
{
	return -muldiv_down(-a, b, c);
}

/* Millionths of a frame in 10^12 ns; below 2^63 for any rate and drift there is. */
static int64_t speed(const struct clock *clock)
{
	return clock->rate * (1000000000 + clock->drift_ppb);
}

/* Position at a time, rounded down. */
int64_t clock_position(const struct clock *clock, int64_t ns)
{
	if (clock->stalled)
		return clock->position;
	return clock->position + muldiv_down(ns - clock->at_ns, speed(clock), 1000000000000);
}

/* First nanosecond at which the position is reached. Says nothing about a stalled clock. */
int64_t clock_time(const struct clock *clock, int64_t position)
{
	return clock->at_ns + muldiv_up(position - clock->position, 1000000000000, speed(clock));
}
