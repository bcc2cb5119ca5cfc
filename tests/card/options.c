/* Opening: the asound.conf entry, the files it names, the faults that keep the card shut. */
#define _GNU_SOURCE /* F_OFD_SETLK */

#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_list(struct list *list, snd_config_t *conf, int formats)
{
	snd_config_iterator_t i, next;
	list->count = 0;
	if (snd_config_get_type(conf) != SND_CONFIG_TYPE_COMPOUND)
		return -EINVAL;
	snd_config_for_each(i, next, conf) {
		snd_config_t *entry = snd_config_iterator_entry(i);
		const char *name;
		long value;
		if (list->count == LIST_MAX)
			return -EINVAL;
		if (formats) {
			if (snd_config_get_string(entry, &name) < 0)
				return -EINVAL;
			value = snd_pcm_format_value(name);
			if (value != SND_PCM_FORMAT_S16_LE && value != SND_PCM_FORMAT_S24_3LE &&
			    value != SND_PCM_FORMAT_S32_LE)
				return -EINVAL;
		} else if (snd_config_get_integer(entry, &value) < 0 || value < 1) {
			return -EINVAL;
		}
		list->value[list->count++] = (unsigned int)value;
	}
	return list->count ? 0 : -EINVAL;
}

int options_read(struct options *options, snd_config_t *conf)
{
	const struct {
		const char *id;
		const char **text;
		long *number;
		struct list *list;
	} fields[] = {
		{ "control", &options->control, NULL, NULL },
		{ "kick", &options->kick, NULL, NULL },
		{ "sound", &options->sound, NULL, NULL },
		{ "far_end", &options->far_end, NULL, NULL },
		{ "file_rate", NULL, &options->file_rate, NULL },
		{ "file_channels", NULL, &options->file_channels, NULL },
		{ "far_end_rate", NULL, &options->far_end_rate, NULL },
		{ "far_end_channels", NULL, &options->far_end_channels, NULL },
		{ "period_min", NULL, &options->period_min, NULL },
		{ "period_max", NULL, &options->period_max, NULL },
		{ "buffer_min", NULL, &options->buffer_min, NULL },
		{ "buffer_max", NULL, &options->buffer_max, NULL },
		{ "takes_back", NULL, &options->takes_back, NULL },
		{ "pointer_frames", NULL, &options->pointer_frames, NULL },
		{ "rates", NULL, NULL, &options->rates },
		{ "channels", NULL, NULL, &options->channels },
		{ "formats", NULL, NULL, &options->formats },
	};
	snd_config_iterator_t i, next;

	*options = (struct options){ .period_min = 16, .period_max = 16384, .buffer_min = 32, .buffer_max = 131072,
				     .takes_back = 1, .pointer_frames = 1 };
	snd_config_for_each(i, next, conf) {
		snd_config_t *entry = snd_config_iterator_entry(i);
		const char *id;
		unsigned n, count = sizeof(fields) / sizeof(fields[0]);
		int err;
		if (snd_config_get_id(entry, &id) < 0 || !strcmp(id, "type") || !strcmp(id, "comment") ||
		    !strcmp(id, "hint"))
			continue;
		for (n = 0; n < count && strcmp(fields[n].id, id); n++)
			;
		if (n == count) {
			SNDERR("pressel card: unknown field %s", id);
			return -EINVAL;
		}
		if (fields[n].text)
			err = snd_config_get_string(entry, fields[n].text);
		else if (fields[n].number)
			err = snd_config_get_integer(entry, fields[n].number);
		else
			err = read_list(fields[n].list, entry, fields[n].list == &options->formats);
		if (err < 0) {
			SNDERR("pressel card: invalid value for %s", id);
			return -EINVAL;
		}
	}
	if (!options->control || !options->sound || options->file_rate < 1 || options->file_channels < 1 ||
	    options->file_channels > CHANNELS_MAX || options->pointer_frames < 1 || !options->rates.count ||
	    !options->channels.count || !options->formats.count) {
		SNDERR("pressel card: control, sound, file_rate, file_channels (1 to 32), rates, channels and formats "
		       "are needed");
		return -EINVAL;
	}
	return 0;
}

/* The hardware's limits; alsa-lib counts periods and buffers in bytes. */
int options_constrain(const struct options *options, snd_pcm_ioplug_t *io)
{
	static const unsigned int access[] = { SND_PCM_ACCESS_RW_INTERLEAVED, SND_PCM_ACCESS_MMAP_INTERLEAVED };
	unsigned int smallest = ~0u, largest = 0;
	int err;

	for (unsigned f = 0; f < options->formats.count; f++)
		for (unsigned c = 0; c < options->channels.count; c++) {
			int width = snd_pcm_format_physical_width((snd_pcm_format_t)options->formats.value[f]);
			unsigned int bytes = (unsigned int)width / 8 * options->channels.value[c];
			smallest = bytes < smallest ? bytes : smallest;
			largest = bytes > largest ? bytes : largest;
		}
	err = snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_ACCESS, 2, access);
	if (err >= 0)
		err = snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_FORMAT, options->formats.count,
						    options->formats.value);
	if (err >= 0)
		err = snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_CHANNELS, options->channels.count,
						    options->channels.value);
	if (err >= 0)
		err = snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_RATE, options->rates.count,
						    options->rates.value);
	if (err >= 0)
		err = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_PERIOD_BYTES,
						      (unsigned int)options->period_min * smallest,
						      (unsigned int)options->period_max * largest);
	if (err >= 0)
		err = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_BUFFER_BYTES,
						      (unsigned int)options->buffer_min * smallest,
						      (unsigned int)options->buffer_max * largest);
	if (err >= 0) /* also makes the buffer a whole number of periods */
		err = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_PERIODS, 2, 1024);
	return err;
}

static int map_control(struct stream *s, const char *path)
{
	struct stat status;
	struct control *control;

	s->control_fd = open(path, O_RDWR | O_CLOEXEC);
	if (s->control_fd < 0 || fstat(s->control_fd, &status) < 0)
		return -errno;
	if (status.st_size < (off_t)sizeof(struct control))
		return -EPROTO;
	control = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, s->control_fd, 0);
	if (control == MAP_FAILED)
		return -errno;
	s->control = control;
	if (control->magic != CONTROL_MAGIC || control->version != CONTROL_VERSION ||
	    control->size != sizeof(struct control))
		return -EPROTO;
	s->direction = &control->direction[s->playback];
	return 0;
}

/* What a process that was killed had still queued is not heard: hardware stops with its owner. */
static void silence_the_dead(struct stream *s)
{
	struct clock clock = clock_read(&s->direction->clock, s->store.rate);
	int64_t now = clock_position(&clock, now_ns()) / POSITION_UNIT;
	int64_t end = (int64_t)LOAD(s->direction->report.queued_until);
	if (LOAD(s->direction->report.state) == STREAM_RUNNING && now < end)
		store_silence(&s->store, now, end - now);
}

/* Opens everything behind one direction. Like hardware it has one owner at a time. */
int card_acquire(struct stream **stream, const struct options *options, int playback)
{
	struct stream *s = calloc(1, sizeof(*s));
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = playback, .l_len = 1 };
	const char *path = options->control;
	int err;

	if (!s)
		return -ENOMEM;
	s->control_fd = s->store.fd = s->far_end.fd = s->epoll_fd = s->timer_fd = s->kick_fd = -1;
	s->playback = playback;
	s->takes_back = options->takes_back != 0;
	s->grain = options->pointer_frames;

	err = map_control(s, path);
	if (err >= 0) {
		s->plugs = LOAD(s->direction->faults.plugs);
		s->forced_xruns = LOAD(s->direction->faults.forced_xruns);
		err = s->plugs % 2 == 0 ? -ENODEV : -(int)LOAD(s->direction->faults.open_errno);
		if (err < 0)
			goto fail; /* simulated, nothing to complain about */
		/* The lock goes with the descriptor: a process that dies lets go of the card. */
		if (fcntl(s->control_fd, F_OFD_SETLK, &lock) < 0) {
			err = errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
			goto fail;
		}
		STORE(s->direction->report.pid, (uint32_t)getpid());
		path = options->sound;
		err = store_open(&s->store, path, (uint32_t)options->file_rate, (uint32_t)options->file_channels, playback);
	}
	if (err >= 0 && !playback && options->far_end) {
		path = options->far_end;
		if (options->far_end_rate < 1 || options->far_end_channels < 1 || options->far_end_channels > CHANNELS_MAX)
			err = -EINVAL;
		else
			err = store_open(&s->far_end, path, (uint32_t)options->far_end_rate,
					 (uint32_t)options->far_end_channels, 0);
	}
	if (err >= 0) {
		path = options->kick ? options->kick : "timer";
		err = wake_open(s, options->kick);
	}
	if (err < 0) {
		SNDERR("pressel card: %s: %s", path, snd_strerror(err));
		goto fail;
	}
	if (playback)
		silence_the_dead(s);
	*stream = s;
	return 0;
fail:
	card_release(s);
	return err;
}

void card_release(struct stream *s)
{
	wake_close(s);
	if (s->control)
		munmap(s->control, sizeof(struct control));
	if (s->store.fd >= 0)
		close(s->store.fd);
	if (s->far_end.fd >= 0)
		close(s->far_end.fd);
	if (s->control_fd >= 0)
		close(s->control_fd);
	free(s->ring);
	free(s);
}
