/* SPDX-License-Identifier: MIT */
/*
 * Wear sampling, wired. In: the time, the configuration, the books. Out: looks on a thread of their own,
 * records of our own for what they find, a view for who asks. Always true: settings, input and events belong
 * to whoever has the job, and nobody waits for it.
 */
#include "agent/control/wear_side.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/capture/parts.h"
#include "agent/store/backlog.h"
#include "agent/store/killpoint.h"
#include "common/clock.h"
#include "common/level.h"
#include "common/log.h"

_Static_assert(LB_LAST_WORDS_LANES == LB_LANE_COUNT, "the note of last words names all lanes, and no other");

#define FIRST_LOOK_NS LB_NS_PER_S /* behind the start, which has enough to do */

/* What stands before /proc and /sys. Only tests have another: a machine of their making. */
static const char *root(void)
{
#ifdef LB_KILLPOINTS
    const char *dir = getenv("LOGBOOM_WEAR_ROOT");

    return dir ? dir : "";
#else
    return "";
#endif
}

/* ---- the wear thread ---- */

static void on_work(struct lb_card_job *job)
{
    struct lb_wear_side *wear = job->arg;

    if (!wear->words.was_looked_at)
        lb_last_words_look(&wear->words, root(), wear->dir_fd, wear->words_max);
    lb_last_words_settle(&wear->words, root(), wear->dir_fd);
    wear->events = lb_sampler_look(wear->sampler, &wear->settings, &wear->input, wear->event);
    pthread_mutex_lock(&wear->lock);
    *wear->shown = *lb_sampler_view(wear->sampler);
    pthread_mutex_unlock(&wear->lock);
}

/* ---- what a look is told ---- */

static uint64_t permille(uint64_t part, uint64_t whole)
{
    return whole > 0 ? 1000 * part / whole : 0;
}

static void read_books(const struct lb_capture *capture, struct lb_wear_books *books)
{
    const struct lb_state *state = capture->state;
    const struct lb_ring *ring = capture->ring;

    memset(books, 0, sizeof *books);
    for (uint32_t row = 0; row < LB_SERVICES_BOOKS && state->file->name[row].len > 0; row++) {
        const uint64_t *slow = &state->slow.region[LB_SLOW_BOOKS].shared[row * LB_BOOK_SLOW_WORDS];
        uint32_t fast = row * LB_BOOK_FAST_WORDS;

        books->lines_in += lb_commit_get(&state->fast, LB_FAST_BOOKS, fast + LB_BOOK_QUEUED_LINES);
        books->body_bytes += lb_commit_get(&state->fast, LB_FAST_BOOKS, fast + LB_BOOK_QUEUED_BYTES);
        for (unsigned why = 0; why < LB_DROP_COUNT; why++) {
            struct lb_drop_place place = lb_drop_place(row, why);

            books->lines_in += lb_commit_get(&state->fast, place.region, place.word);
        }
        books->lines_delivered += lb_load(slow + LB_BOOK_DELIVERED);
        books->lines_lost += lb_load(slow + LB_BOOK_SHED) + lb_load(slow + LB_BOOK_REJECTED);
    }
    books->ring_permille = (uint32_t)permille(lb_ring_head(ring) - lb_ring_tail(ring), ring->size);
    books->backlog_permille = (uint32_t)permille(lb_link_get(&capture->link->backlog_used),
                                                 lb_link_get(&capture->link->backlog_size));
    books->is_away = lb_link_get(&capture->link->sink_away) != 0;
}

static uint64_t per_hour(uint64_t per_day)
{
    return per_day == LB_OFF ? LB_WEAR_UNKNOWN : per_day / 24;
}

static void read_settings(const struct lb_config *config, struct lb_wear_settings *settings)
{
    snprintf(settings->devices, sizeof settings->devices, "%s", config->wear_devices);
    settings->endurance_bytes = config->wear_endurance_bytes == LB_AUTO ? 0 : config->wear_endurance_bytes;
    settings->history_s = config->wear_history_ms / 1000;
    settings->limits =
        (struct lb_wear_limit_settings) { .disk_bytes_per_hour = per_hour(config->wear_alert_bytes_per_day),
                                          .program_bytes_per_hour =
                                              per_hour(config->wear_program_alert_bytes_per_day),
                                          .life_warn_s = config->wear_life_warn_ms / 1000,
                                          .are_named = strcmp(config->wear_devices, "auto") != 0 };
}

/* ---- records ---- */

static bool tell(struct lb_capture *capture, const struct lb_wear_event *event, uint64_t now_ns)
{
    struct lb_wear_alert body = { .is_over = event->is_over,
                                  .bytes = event->bytes,
                                  .limit_bytes = event->limit_bytes };
    struct lb_own own = { .kind = LB_KIND_WEAR,
                          .severity = event->is_over    ? LB_LEVEL_INFO
                                      : event->is_grave ? LB_LEVEL_ERROR
                                                        : LB_LEVEL_WARNING,
                          .body = &body,
                          .body_len = sizeof body };

    snprintf(body.alert, sizeof body.alert, "%s", lb_wear_what_name(event->what));
    snprintf(body.disk, sizeof body.disk, "%s", event->disk);
    snprintf(body.program, sizeof body.program, "%s", event->program);
    snprintf(body.unit, sizeof body.unit, "%s", event->unit);
    snprintf(body.text, sizeof body.text, "%s", event->text);
    return lb_own_put(capture, &own, now_ns) == 0;
}

/* Those that find no room now wait for the next look; beyond LB_WEAR_WAITING the oldest are given up. */
static void tell_events(struct lb_wear_side *wear, uint64_t now_ns)
{
    unsigned told = 0;

    for (unsigned i = 0; i < wear->events; i++) {
        if (wear->waiting_count == LB_WEAR_WAITING)
            memmove(&wear->waiting[0], &wear->waiting[1],
                    (size_t)(--wear->waiting_count) * sizeof wear->waiting[0]);
        wear->waiting[wear->waiting_count++] = wear->event[i];
    }
    wear->events = 0;
    while (told < wear->waiting_count && tell(wear->capture, &wear->waiting[told], now_ns)) {
        lb_turns_publish(wear->capture, false); /* one at a time: a commit's room is not for all of them */
        told++;
    }
    wear->waiting_count -= told;
    memmove(&wear->waiting[0], &wear->waiting[told], wear->waiting_count * sizeof wear->waiting[0]);
}

static void tell_word(struct lb_wear_side *wear, struct lb_last_word *word, uint64_t now_ns)
{
    static const char kernel[] = "kernel";
    struct lb_capture *capture = wear->capture;
    struct lb_own own = { .kind = LB_KIND_WORDS,
                          .severity = LB_LEVEL_CRITICAL,
                          .name = kernel,
                          .name_len = sizeof kernel - 1,
                          .body = word->text,
                          .body_len = word->len };

    word->lane = lb_own_lane(capture, LB_LEVEL_CRITICAL);
    if (lb_own_put(capture, &own, now_ns) < 0)
        return; /* with the next look */
    word->ring_id = capture->ring->id;
    word->n = lb_commit_get(&capture->state->fast, LB_FAST_RING, LB_RING_NEXT_URGENT + word->lane) - 1;
    lb_turns_publish(capture, false);
    word->state = LB_LAST_WORD_QUEUED;
    wear->words.is_changed = true;
    free(word->text);
    word->text = NULL;
}

/* Is a record final? Its ring is past it, and no segment of the backlog has it. */
static bool is_final(const struct lb_wear_side *wear, const struct lb_last_word *word)
{
    const struct lb_ring *ring = wear->capture->ring;
    const struct lb_backlog *backlog = wear->backlog;

    if (ring->id == word->ring_id ? lb_load(&ring->header->slow[LB_RING_TAIL_NEXT + word->lane]) <= word->n
                                  : faccessat(wear->dir_fd, "ring.old", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return false;
    for (uint32_t row = 0; lb_backlog_is_there(backlog) && row < backlog->rows; row++) {
        const uint64_t *words = &backlog->row[(size_t)row * LB_ROW_WORDS];
        uint64_t state = lb_load(&words[LB_ROW_STATE]);

        if ((state & LB_ROW_KIND_MASK) == LB_ROW_HERE && (state >> LB_ROW_LANE_SHIFT & 0xff) == word->lane &&
            lb_load(&words[LB_ROW_RING]) == word->ring_id && lb_load(&words[LB_ROW_DONE_N]) <= word->n &&
            lb_load(&words[LB_ROW_LAST_N]) >= word->n)
            return false;
    }
    return true;
}

static void tell_words(struct lb_wear_side *wear, uint64_t now_ns)
{
    for (unsigned i = 0; i < wear->words.count; i++) {
        struct lb_last_word *word = &wear->words.word[i];

        if (word->state == LB_LAST_WORD_READ)
            tell_word(wear, word, now_ns);
        else if (word->state == LB_LAST_WORD_QUEUED && is_final(wear, word))
            word->state = LB_LAST_WORD_FINAL;
    }
}

/* ---- the fast side ---- */

static void on_done(struct lb_card_job *job)
{
    struct lb_wear_side *wear = job->arg;
    uint64_t now_ns = wear->capture->loop->now_ns;

    wear->is_out = false;
    if (lb_load(&wear->out_since_ns) + LB_WEAR_HANGS_NS < now_ns)
        lb_log(LB_LEVEL_NOTICE, "a look at disks and processes has come back after %llu s",
               (unsigned long long)((now_ns - lb_load(&wear->out_since_ns)) / LB_NS_PER_S));
    lb_store(&wear->out_since_ns, 0);
    tell_events(wear, now_ns);
    tell_words(wear, now_ns);
    if (wear->words.is_changed) /* to be noted at once, or an agent that follows tells them again */
        wear->timer.due_ns = now_ns;
}

static uint64_t interval_ns(const struct lb_wear_side *wear)
{
    return wear->capture->config->wear_sample_ms * LB_NS_PER_MS;
}

static void ask(struct lb_wear_side *wear, uint64_t now_ns)
{
    const struct lb_capture *capture = wear->capture;
    uint64_t wall_ns = lb_clock_wall_ns();

    read_settings(capture->config, &wear->settings);
    read_books(capture, &wear->input.books);
    wear->input.now_ns = now_ns;
    wear->input.wall_offset_ns = lb_clock_is_synced() && wall_ns > now_ns ? wall_ns - now_ns : 0;
    wear->job = (struct lb_card_job) { on_work, on_done, wear };
    lb_store(&wear->out_since_ns, now_ns);
    wear->is_out = lb_card_submit(&wear->thread, LB_CARD_FAST, &wear->job) == 0;
}

static void on_timer(void *arg, uint64_t now_ns)
{
    struct lb_wear_side *wear = arg;

    wear->timer.due_ns = interval_ns(wear) > 0 ? now_ns + interval_ns(wear) : LB_NEVER;
    if (!wear->is_out && interval_ns(wear) > 0)
        ask(wear, now_ns);
    else if (wear->is_out && lb_wear_side_hangs_ns(wear, now_ns) > 0 && !wear->is_told_to_hang)
        lb_log(LB_LEVEL_WARNING,
               "a look at disks and processes has not come back for %llu s: wear is not seen "
               "until it does",
               (unsigned long long)(lb_wear_side_hangs_ns(wear, now_ns) / LB_NS_PER_S));
    wear->is_told_to_hang = wear->is_out && lb_wear_side_hangs_ns(wear, now_ns) > 0;
}

static int begin(struct lb_wear_side *wear)
{
    int rc;

    wear->sampler = lb_sampler_new(root(), (int)getpid());
    wear->shown = calloc(1, sizeof *wear->shown);
    rc = wear->sampler && wear->shown ? lb_card_start(&wear->thread) : -ENOMEM;
    if (rc < 0)
        return rc;
    pthread_setname_np(wear->thread.thread, "wear");
    return lb_card_listen(&wear->thread, LB_CARD_FAST, wear->capture->loop);
}

void lb_wear_side_reload(struct lb_wear_side *wear)
{
    int rc = 0;

    wear->timer.due_ns = LB_NEVER;
    if (interval_ns(wear) == 0)
        return;
    if (!wear->sampler)
        rc = begin(wear);
    if (rc < 0) {
        lb_log(LB_LEVEL_WARNING, "wear is not looked at: %s", strerror(-rc));
        return;
    }
    __atomic_store_n(&wear->is_on, true, __ATOMIC_RELEASE);
    wear->timer.due_ns = wear->capture->loop->now_ns + FIRST_LOOK_NS;
}

void lb_wear_side_start(struct lb_wear_side *wear, struct lb_capture *capture,
                        const struct lb_backlog *backlog, int dir_fd)
{
    wear->capture = capture;
    wear->backlog = backlog;
    wear->dir_fd = dir_fd;
    wear->words_max = capture->config->capture.max_line_bytes < LB_LAST_WORDS_BYTES
                          ? capture->config->capture.max_line_bytes
                          : LB_LAST_WORDS_BYTES;
    pthread_mutex_init(&wear->lock, NULL);
    wear->timer = (struct lb_timer) { LB_NEVER, on_timer, wear, NULL };
    lb_loop_add_timer(capture->loop, &wear->timer);
    lb_wear_side_reload(wear);
}

struct lb_wear_view *lb_wear_side_view(struct lb_wear_side *wear)
{
    bool is_on = __atomic_load_n(&wear->is_on, __ATOMIC_ACQUIRE);
    struct lb_wear_view *view = is_on ? malloc(sizeof *view) : NULL;

    if (!view)
        return NULL;
    pthread_mutex_lock(&wear->lock);
    *view = *wear->shown;
    pthread_mutex_unlock(&wear->lock);
    return view;
}

uint64_t lb_wear_side_hangs_ns(const struct lb_wear_side *wear, uint64_t now_ns)
{
    uint64_t since_ns = lb_load(&wear->out_since_ns);

    return since_ns > 0 && now_ns > since_ns + LB_WEAR_HANGS_NS ? now_ns - since_ns : 0;
}

bool lb_wear_side_stop(struct lb_wear_side *wear, uint64_t wait_ms)
{
    if (!lb_card_stop(&wear->thread, wait_ms))
        return false;
    lb_sampler_free(wear->sampler);
    lb_last_words_free(&wear->words);
    free(wear->shown);
    return true;
}
