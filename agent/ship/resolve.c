/* SPDX-License-Identifier: MIT */
/*
 * A lookup of a name. In: the name. Out: addresses as text. Always true: two hold a lookup, the thread and
 * the loop, and who lets go last frees it; the thread writes into it before it rings, and never afterwards.
 */
#include "agent/ship/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define STACK_BYTES (256 * 1024) /* the resolver keeps its answers there: up to 64 KiB each */

struct lb_resolve {
    struct lb_loop *loop;
    struct lb_watch watch;
    lb_resolve_done done;
    void *ctx;
    unsigned holders;
    int bell_fd;
    char host[256];
    char address[LB_RESOLVE_ADDRESSES][64];
    unsigned count;
    char why[128];
};

static unsigned running;

static void let_go(struct lb_resolve *resolve)
{
    if (__atomic_sub_fetch(&resolve->holders, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    close(resolve->bell_fd);
    free(resolve);
}

static void *look_up(void *arg)
{
    struct lb_resolve *resolve = arg;
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(resolve->host, NULL, &hints, &found);

    for (struct addrinfo *at = rc == 0 ? found : NULL; at && resolve->count < LB_RESOLVE_ADDRESSES;
         at = at->ai_next)
        if (getnameinfo(at->ai_addr, at->ai_addrlen, resolve->address[resolve->count],
                        sizeof resolve->address[0], NULL, 0, NI_NUMERICHOST) == 0)
            resolve->count++;
    if (rc == 0)
        freeaddrinfo(found);
    if (resolve->count == 0)
        snprintf(resolve->why, sizeof resolve->why, "%s: %s", "the name has no address",
                 rc == 0 ? "none of a kind that we know" : gai_strerror(rc));
    __atomic_sub_fetch(&running, 1, __ATOMIC_RELAXED);
    eventfd_write(resolve->bell_fd, 1);
    let_go(resolve);
    return NULL;
}

static void on_bell(void *arg, uint32_t events)
{
    struct lb_resolve *resolve = arg;
    eventfd_t rings;

    (void)events;
    eventfd_read(resolve->bell_fd, &rings);
    lb_loop_remove(resolve->loop, &resolve->watch);
    resolve->done(resolve->ctx, resolve->address, resolve->count, resolve->why);
    let_go(resolve);
}

/* Signals are for the threads that expect them. */
static int start_thread(struct lb_resolve *resolve)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;
    int rc = pthread_attr_init(&attr);

    if (rc != 0)
        return -rc;
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&thread, &attr, look_up, resolve);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return -rc;
}

int lb_resolve_start(struct lb_loop *loop, const char *host, lb_resolve_done done, void *ctx,
                     struct lb_resolve **ret_resolve)
{
    struct lb_resolve *resolve;
    int rc;

    if (__atomic_load_n(&running, __ATOMIC_RELAXED) >= LB_RESOLVE_MAX)
        return -EBUSY;
    resolve = calloc(1, sizeof *resolve);
    if (!resolve)
        return -ENOMEM;
    resolve->loop = loop;
    resolve->done = done;
    resolve->ctx = ctx;
    resolve->holders = 2;
    snprintf(resolve->host, sizeof resolve->host, "%s", host);
    resolve->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    rc = resolve->bell_fd < 0 ? -errno : 0;
    resolve->watch = (struct lb_watch) { resolve->bell_fd, on_bell, resolve };
    if (rc == 0)
        rc = lb_loop_add(loop, &resolve->watch, EPOLLIN);
    if (rc < 0)
        goto free_resolve;
    __atomic_add_fetch(&running, 1, __ATOMIC_RELAXED);
    rc = start_thread(resolve);
    if (rc < 0)
        goto unwatch;
    *ret_resolve = resolve;
    return 0;
unwatch:
    __atomic_sub_fetch(&running, 1, __ATOMIC_RELAXED);
    lb_loop_remove(loop, &resolve->watch);
free_resolve:
    if (resolve->bell_fd >= 0)
        close(resolve->bell_fd);
    free(resolve);
    return rc;
}

void lb_resolve_cancel(struct lb_resolve *resolve)
{
    lb_loop_remove(resolve->loop, &resolve->watch);
    let_go(resolve);
}
