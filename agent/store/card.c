/* SPDX-License-Identifier: MIT */
/*
 * The card side's thread and queues. In: jobs. Out: the same jobs, done. Always true: a job is in one place
 * only, its owner's hands, a queue, or the card side's.
 */
#include "agent/store/card.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static bool push(struct lb_card_ring *ring, struct lb_card_job *job)
{
    uint32_t head = ring->head;

    if (head - __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE) == LB_CARD_QUEUE)
        return false;
    ring->slot[head % LB_CARD_QUEUE] = job;
    __atomic_store_n(&ring->head, head + 1, __ATOMIC_RELEASE);
    return true;
}

static struct lb_card_job *pop(struct lb_card_ring *ring)
{
    uint32_t tail = ring->tail;
    struct lb_card_job *job;

    if (tail == __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE))
        return NULL;
    job = ring->slot[tail % LB_CARD_QUEUE];
    __atomic_store_n(&ring->tail, tail + 1, __ATOMIC_RELEASE);
    return job;
}

static void ring_bell(int fd)
{
    const uint64_t one = 1;

    if (write(fd, &one, sizeof one) < 0)
        return; /* rung 2^64 - 1 times already: it will be heard */
}

static void *run(void *arg)
{
    struct lb_card *card = arg;
    uint64_t rings;

    while (!__atomic_load_n(&card->must_end, __ATOMIC_ACQUIRE)) {
        if (read(card->bell_fd, &rings, sizeof rings) < 0 && errno != EINTR)
            break;
        for (int i = 0; i < LB_CARD_OWNERS; i++) {
            struct lb_card_job *job;

            while ((job = pop(&card->desk[i].jobs))) {
                job->work(job);
                push(&card->desk[i].results, job); /* has room: an owner has at most LB_CARD_QUEUE out */
                ring_bell(card->desk[i].bell_fd);
            }
        }
    }
    return NULL;
}

static void on_results(void *arg, uint32_t events)
{
    struct lb_card_desk *desk = arg;
    struct lb_card_job *job;
    uint64_t rings;

    (void)events;
    if (read(desk->bell_fd, &rings, sizeof rings) < 0)
        return;
    while ((job = pop(&desk->results))) {
        desk->out--;
        job->done(job);
    }
}

int lb_card_start(struct lb_card *card)
{
    int rc;

    memset(card, 0, sizeof *card);
    card->bell_fd = eventfd(0, EFD_CLOEXEC);
    if (card->bell_fd < 0)
        return -errno;
    for (int i = 0; i < LB_CARD_OWNERS; i++) {
        card->desk[i].bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (card->desk[i].bell_fd < 0)
            return -errno;
    }
    rc = -pthread_create(&card->thread, NULL, run, card);
    if (rc == 0) {
        pthread_setname_np(card->thread, "card");
        card->is_running = true;
    }
    return rc;
}

int lb_card_listen(struct lb_card *card, enum lb_card_owner owner, struct lb_loop *loop)
{
    struct lb_card_desk *desk = &card->desk[owner];

    desk->watch = (struct lb_watch) { desk->bell_fd, on_results, desk };
    return lb_loop_add(loop, &desk->watch, EPOLLIN);
}

int lb_card_submit(struct lb_card *card, enum lb_card_owner owner, struct lb_card_job *job)
{
    if (card->desk[owner].out == LB_CARD_QUEUE || !push(&card->desk[owner].jobs, job))
        return -EBUSY;
    card->desk[owner].out++;
    ring_bell(card->bell_fd);
    return 0;
}

bool lb_card_stop(struct lb_card *card, uint64_t wait_ms)
{
    struct timespec until;

    if (!card->is_running)
        return true;
    __atomic_store_n(&card->must_end, 1, __ATOMIC_RELEASE);
    ring_bell(card->bell_fd);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)(wait_ms / 1000);
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    if (pthread_timedjoin_np(card->thread, NULL, &until) != 0)
        return false;
    card->is_running = false;
    close(card->bell_fd);
    for (int i = 0; i < LB_CARD_OWNERS; i++)
        close(card->desk[i].bell_fd);
    return true;
}
