/* SPDX-License-Identifier: MIT */
/*
 * Files that are followed. In: what scans find, events of inotify. Out: bytes in staging, behind which a file
 * is a stream as a pipe is. Always true: position in the file = OFFSET - TAKEN + what is staged, all three in
 * one commit, so after a kill nothing is read twice and nothing is passed over; a slot is given back only
 * when its file was read to the end and is gone.
 *
 *     found ── new, or left by an agent before us ──▶ followed ── no glob finds it ──▶ gone
 *                  ▲                                   │    ▲                            │ at its end, and
 *                  │                          shorter than  │                            ▼ nobody writes it
 *                  │                          what was read └─ begin anew            let go
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/capture/inputs.h"
#include "common/clock.h"
#include "common/log.h"

/* ---- reading ---- */

static uint64_t get(const struct lb_input_file *file, unsigned word)
{
    return lb_staging_get(file->input->inputs->capture->staging, file->stream->slot, word);
}

static uint64_t staged_bytes(const struct lb_input_file *file)
{
    return file->input->inputs->capture->staging->staged[file->stream->slot].bytes;
}

uint64_t lb_files_position(const struct lb_input_file *file)
{
    return get(file, LB_STREAM_OFFSET) - get(file, LB_STREAM_TAKEN) + staged_bytes(file);
}

void lb_files_truncated(struct lb_input_file *file)
{
    struct lb_staging *staging = file->input->inputs->capture->staging;
    const struct lb_stream_name *name = file->stream->name;

    if (!file->is_told)
        lb_log(LB_LEVEL_NOTICE, "input %s: a file of %.*s was truncated, it is read from its begin",
               file->input->config.name, name->service_len, name->service);
    file->is_told = true;
    __atomic_fetch_add(&file->input->inputs->truncated, 1, __ATOMIC_RELAXED);
    if (staged_bytes(file) > 0)
        file->stream->close_early = true; /* the other half of its line is no more */
    lb_staging_set(staging, file->stream->slot, LB_STREAM_TAKEN,
                   get(file, LB_STREAM_OFFSET) + staged_bytes(file));
}

int64_t lb_files_stage(struct lb_input_file *file, const char *bytes, size_t len)
{
    struct lb_staging *staging = file->input->inputs->capture->staging;
    size_t room = (size_t)lb_staging_free_chunks(staging) * LB_CHUNK_BYTES;
    size_t part = len < room ? len : room;
    int rc = part > 0 ? lb_staging_write(staging, file->stream->slot, bytes, part) : -ENOBUFS;

    if (rc < 0)
        return rc;
    file->read_ns = file->input->inputs->capture->loop->now_ns;
    return (int64_t)part;
}

size_t lb_files_turn_bytes(const struct lb_inputs *inputs)
{
    uint64_t share = inputs->capture->ring->size / 16;

    return share < LB_INPUT_READ_BYTES ? (size_t)share : LB_INPUT_READ_BYTES;
}

int64_t lb_input_file_read(struct lb_input_file *file, bool *ret_is_empty)
{
    struct lb_inputs *inputs = file->input->inputs;
    uint64_t position = lb_files_position(file);
    struct stat st;
    ssize_t got;

    *ret_is_empty = true;
    if (!file->is_ram)
        return lb_disk_read(file, ret_is_empty);
    if (fstat(file->fd, &st) != 0)
        return 0;
    file->is_at_end = (uint64_t)st.st_size == position;
    if (file->is_at_end)
        return 0;
    *ret_is_empty = false;
    if ((uint64_t)st.st_size < position) {
        lb_files_truncated(file);
        return 0;
    }
    got = pread(file->fd, inputs->buf, lb_files_turn_bytes(inputs), (off_t)position);
    if (got <= 0) {
        *ret_is_empty = true; /* truncated between the two: the next event, or scan, shows it */
        return 0;
    }
    return lb_files_stage(file, inputs->buf, (size_t)got);
}

bool lb_input_file_is_asked(const struct lb_input_file *file)
{
    return file->wants_read;
}

/* ---- letting go ---- */

void lb_input_file_end(struct lb_input_file *file)
{
    struct lb_inputs *inputs = file->input->inputs;
    bool is_shared = false;

    for (unsigned i = 0; i < LB_INPUT_FILES; i++)
        is_shared |= inputs->file[i].input && &inputs->file[i] != file && inputs->file[i].wd == file->wd;
    if (file->wd >= 0 && !is_shared)
        inotify_rm_watch(inputs->inotify.fd, file->wd);
    close(file->fd);
    __atomic_fetch_sub(&file->input->files, 1, __ATOMIC_RELAXED);
    inputs->file_count--;
    memset(file, 0, sizeof *file);
}

/*
 * Does anybody have it open for writing? A lease for readers is given only where nobody has. It is given back
 * at once, and who opens the file in between is not kept waiting: we ignore the signal that would tell us.
 *   returns   1 | 0 | -1: we may not know
 */
static int has_writer(int fd)
{
    int rc;

    if (fcntl(fd, F_SETSIG, SIGURG) != 0)
        return -1;
    rc = fcntl(fd, F_SETLEASE, F_RDLCK) == 0 ? 0 : errno == EAGAIN ? 1 : -1;
    if (rc == 0)
        fcntl(fd, F_SETLEASE, F_UNLCK);
    return rc;
}

static bool is_to_be_let_go(const struct lb_input_file *file, uint64_t now_ns)
{
    uint64_t since_ns = file->read_ns > file->gone_since_ns ? file->read_ns : file->gone_since_ns;
    uint64_t wait_ns = LB_INPUT_QUIET_NS;

    if (file->gone_since_ns == 0 || !file->is_at_end || file->stream->is_stalled || file->wants_read)
        return false;
    if (now_ns - since_ns < wait_ns)
        return false;
    switch (file->is_ram ? has_writer(file->fd) : -1) {
    case 0:
        return true;
    case 1:
        return false;
    default:
        return now_ns - since_ns >= LB_INPUT_LEFT_NS;
    }
}

static void let_go(struct lb_input_file *file)
{
    if (!file->is_ram && !lb_disk_forget(file))
        return;
    file->stream->has_ended = true;
    file->stream->close_early = true; /* a line without an end goes out as it is, marked */
    lb_turns_make_ready(file->input->inputs->capture, file->stream);
}

/* ---- what a scan found ---- */

static struct lb_input_file *find_file(struct lb_inputs *inputs, const struct lb_input *input, uint64_t id)
{
    for (unsigned i = 0; i < LB_INPUT_FILES; i++)
        if (inputs->file[i].input == input && inputs->file[i].id == id)
            return &inputs->file[i];
    return NULL;
}

/* Half of the slots at most: the rest is for pipes. NULL: none is left */
static struct lb_input_file *new_file(struct lb_inputs *inputs)
{
    if (inputs->file_count >= inputs->capture->staging->max_streams / 2)
        return NULL;
    for (unsigned i = 0; i < LB_INPUT_FILES; i++)
        if (!inputs->file[i].input)
            return &inputs->file[i];
    return NULL;
}

static struct lb_stream *stream_of(const struct lb_input *input, const struct lb_scan_found *found)
{
    bool from_end = !input->has_row && input->config.start == LB_START_END;
    struct lb_stream_source source = {
        .id = found->id,
        .dev = found->dev,
        .ino = found->ino,
        .uid = found->uid,
        .offset = from_end ? found->end : 0,
        .name = { .service_len = (uint16_t)strlen(input->config.service),
                  .tags_len = (uint16_t)strlen(input->config.tags) },
    };
    int64_t slot;

    memcpy(source.name.service, input->config.service, source.name.service_len);
    memcpy(source.name.tags, input->config.tags, source.name.tags_len);
    slot = lb_streams_follow(input->inputs->capture, &source);
    return slot < 0 ? NULL : &input->inputs->capture->streams[slot];
}

/* Follow a file that is new to us; its descriptor becomes ours. false: there is no place for it */
static bool follow(struct lb_input *input, const struct lb_scan_found *found)
{
    struct lb_inputs *inputs = input->inputs;
    uint64_t now_ns = inputs->capture->loop->now_ns;
    struct lb_input_file *file = new_file(inputs);
    struct lb_stream *stream = file ? stream_of(input, found) : NULL;

    if (!stream) {
        close(found->fd);
        return false;
    }
    *file = (struct lb_input_file) {
        .input = input,
        .stream = stream,
        .id = found->id,
        .fd = found->fd,
        .wd = found->wd,
        .is_ram = found->is_ram,
        .is_seen = true,
        .gone_since_ns = found->is_gone ? now_ns : 0,
        .read_ns = now_ns,
    };
    stream->file = file;
    inputs->file_count++;
    __atomic_fetch_add(&input->files, 1, __ATOMIC_RELAXED);
    return true;
}

/* false: there is no place for it */
static bool take_found(struct lb_inputs *inputs, const struct lb_scan_found *found)
{
    struct lb_input *input = &inputs->input[found->input];
    struct lb_input_file *file = find_file(inputs, input, found->id);

    if (!file) {
        if (found->fd < 0)
            return true; /* it was let go while the scan ran */
        if (!follow(input, found))
            return false;
        file = find_file(inputs, input, found->id);
    } else {
        file->is_seen = true;
        if (!found->is_gone)
            file->gone_since_ns = 0;
    }
    lb_turns_make_ready(inputs->capture, file->stream); /* what inotify may have missed */
    return true;
}

static void tell_state(struct lb_input *input, const struct lb_scan_glob *glob, bool has_place)
{
    enum lb_input_state state = LB_INPUT_WAITING;

    if (glob->refused > 0 && glob->refused == glob->matches)
        state = LB_INPUT_REFUSED;
    else if (input->files > 0)
        state = LB_INPUT_READING;
    else if (glob->error[0] != '\0')
        state = LB_INPUT_FAILED;
    lb_input_tell(input, state,
                  has_place ? glob->error
                            : "more files than can be followed: narrow the path, or raise max_streams");
}

static void note_gone(struct lb_inputs *inputs, uint64_t now_ns)
{
    for (unsigned i = 0; i < LB_INPUT_FILES; i++) {
        struct lb_input_file *file = &inputs->file[i];

        if (!file->input)
            continue;
        if (!file->is_seen && file->gone_since_ns == 0)
            file->gone_since_ns = now_ns;
        if (!file->is_seen)
            lb_turns_make_ready(inputs->capture, file->stream);
        if (is_to_be_let_go(file, now_ns))
            let_go(file);
    }
}

static void on_scan_done(struct lb_card_job *job)
{
    struct lb_inputs *inputs = job->arg;
    struct lb_scan *scan = inputs->scan;
    uint64_t now_ns = inputs->capture->loop->now_ns;
    bool has_place = !scan->has_more;

    inputs->is_scanning = false;
    for (unsigned i = 0; i < LB_INPUT_FILES; i++)
        inputs->file[i].is_seen = false;
    for (unsigned i = 0; i < scan->found_count; i++) {
        if (inputs->capture->is_stopping && scan->found[i].fd >= 0)
            close(scan->found[i].fd);
        else
            has_place &= take_found(inputs, &scan->found[i]);
    }
    if (inputs->capture->is_stopping)
        return;
    for (unsigned i = 0; i < inputs->count; i++)
        if (!inputs->input[i].journal) {
            tell_state(&inputs->input[i], &scan->glob[i], has_place);
            /* Behind its files' slots: who is killed before it begins them at their end again. */
            lb_input_take_row(&inputs->input[i]);
        }
    if (!inputs->had_scan)
        lb_streams_give_up_files(inputs->capture);
    inputs->had_scan = true;
    lb_turns_publish(inputs->capture, false);
    note_gone(inputs, now_ns);
    inputs->scan_timer.due_ns = inputs->wants_scan ? now_ns : now_ns + LB_INPUT_SCAN_NS;
    inputs->wants_scan = false;
}

/* ---- scans ---- */

static void on_scan_work(struct lb_card_job *job)
{
    struct lb_inputs *inputs = job->arg;

    lb_scan_run(inputs->scan);
}

/* What an agent before us followed, and we do not yet. */
static void seek_orphans(struct lb_inputs *inputs)
{
    struct lb_scan *scan = inputs->scan;
    const struct lb_capture *capture = inputs->capture;

    scan->sought_count = 0;
    for (uint32_t slot = 0; !inputs->had_scan && slot < capture->staging->max_streams; slot++) {
        if (capture->streams[slot].state != LB_STREAM_ORPHAN || !capture->streams[slot].is_of_file)
            continue;
        if (scan->sought_count < LB_INPUT_FILES)
            scan->sought[scan->sought_count++] =
                (struct lb_scan_known) { 0, lb_staging_get(capture->staging, slot, LB_STREAM_ID),
                                         lb_staging_get(capture->staging, slot, LB_STREAM_INO) };
    }
}

static void begin_scan(struct lb_inputs *inputs)
{
    struct lb_scan *scan = inputs->scan;

    scan->known_count = 0;
    for (unsigned i = 0; i < LB_INPUT_FILES; i++)
        if (inputs->file[i].input)
            scan->known[scan->known_count++] =
                (struct lb_scan_known) { (unsigned)(inputs->file[i].input - inputs->input),
                                         inputs->file[i].id, 0 };
    seek_orphans(inputs);
    scan->job = (struct lb_card_job) { on_scan_work, on_scan_done, inputs };
    inputs->is_scanning = lb_card_submit(&inputs->card, LB_CARD_FAST, &scan->job) == 0;
    if (!inputs->is_scanning)
        inputs->scan_timer.due_ns = inputs->capture->loop->now_ns + LB_INPUT_SCAN_NS;
}

void lb_files_scan(struct lb_inputs *inputs)
{
    if (inputs->is_scanning)
        inputs->wants_scan = true;
    else
        inputs->scan_timer.due_ns = inputs->capture->loop->now_ns;
}

static void on_scan_timer(void *arg, uint64_t now_ns)
{
    struct lb_inputs *inputs = arg;

    (void)now_ns;
    if (!inputs->is_scanning && !inputs->capture->is_stopping)
        begin_scan(inputs);
}

/* ---- inotify ---- */

static void note_event(struct lb_inputs *inputs, const struct inotify_event *event)
{
    bool is_of_file = false;

    for (unsigned i = 0; i < LB_INPUT_FILES; i++) {
        struct lb_input_file *file = &inputs->file[i];

        if (!file->input || (file->wd != event->wd && !(event->mask & IN_Q_OVERFLOW)))
            continue;
        is_of_file = true;
        lb_turns_make_ready(inputs->capture, file->stream);
    }
    if (!is_of_file || (event->mask & (IN_Q_OVERFLOW | IN_IGNORED)))
        lb_files_scan(inputs);
}

/*
 * A busy writer makes an event for each write(): they gather for a while and are taken together. A file waits
 * for nobody, so that costs no one.
 */
static void on_inotify(void *arg, uint32_t events)
{
    static _Alignas(struct inotify_event) char buf[16384]; /* fast side only */
    struct lb_inputs *inputs = arg;
    ssize_t got;

    (void)events;
    while ((got = read(inputs->inotify.fd, buf, sizeof buf)) > 0)
        for (const char *at = buf; at < buf + got;) {
            const struct inotify_event *event = (const struct inotify_event *)(const void *)at;

            note_event(inputs, event);
            at += sizeof *event + event->len;
        }
    lb_loop_change(inputs->capture->loop, &inputs->inotify, 0);
    inputs->inotify_timer.due_ns = inputs->capture->loop->now_ns + LB_INPUT_REST_NS;
}

static void on_inotify_timer(void *arg, uint64_t now_ns)
{
    struct lb_inputs *inputs = arg;

    (void)now_ns;
    lb_loop_change(inputs->capture->loop, &inputs->inotify, EPOLLIN);
}

/* ---- start and stop ---- */

static void fill_globs(struct lb_inputs *inputs)
{
    struct lb_scan *scan = inputs->scan;

    scan->globs = inputs->count;
    for (unsigned i = 0; i < inputs->count; i++) {
        scan->glob[i].name = inputs->input[i].config.name;
        scan->glob[i].path = inputs->input[i].config.path;
        scan->glob[i].allow_flash = inputs->input[i].config.allow_flash;
        scan->glob[i].is_wanted = strcmp(inputs->input[i].config.type, "file") == 0;
    }
}

int lb_files_start(struct lb_inputs *inputs)
{
    struct lb_loop *loop = inputs->capture->loop;

    inputs->buf = malloc(LB_INPUT_READ_BYTES);
    inputs->reader.buf = malloc(LB_INPUT_READ_BYTES);
    inputs->scan = calloc(1, sizeof *inputs->scan);
    if (!inputs->buf || !inputs->reader.buf || !inputs->scan)
        return -ENOMEM;
    inputs->inotify = (struct lb_watch) { inotify_init1(IN_NONBLOCK | IN_CLOEXEC), on_inotify, inputs };
    if (inputs->inotify.fd < 0)
        lb_log(LB_LEVEL_WARNING, "no inotify (%s): files are looked at every %llu s only", strerror(errno),
               (unsigned long long)(LB_INPUT_SCAN_NS / LB_NS_PER_S));
    inputs->scan->inotify_fd = inputs->inotify.fd;
    fill_globs(inputs);
    inputs->scan_timer = (struct lb_timer) { LB_NEVER, on_scan_timer, inputs, NULL };
    inputs->inotify_timer = (struct lb_timer) { LB_NEVER, on_inotify_timer, inputs, NULL };
    lb_loop_add_timer(loop, &inputs->scan_timer);
    lb_loop_add_timer(loop, &inputs->inotify_timer);
    begin_scan(inputs);
    return inputs->inotify.fd < 0 ? 0 : lb_loop_add(loop, &inputs->inotify, EPOLLIN);
}

void lb_files_stop(struct lb_inputs *inputs)
{
    for (unsigned i = 0; i < LB_INPUT_FILES; i++)
        if (inputs->file[i].input) {
            inputs->file[i].stream->file = NULL;
            close(inputs->file[i].fd);
        }
    if (inputs->scan_timer.fire) {
        lb_loop_remove_timer(inputs->capture->loop, &inputs->scan_timer);
        lb_loop_remove_timer(inputs->capture->loop, &inputs->inotify_timer);
    }
    if (inputs->inotify.fd >= 0)
        close(inputs->inotify.fd);
    free(inputs->buf);
    free(inputs->reader.buf);
    free(inputs->scan);
}
