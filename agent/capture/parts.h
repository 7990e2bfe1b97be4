/* SPDX-License-Identifier: MIT */
#ifndef LB_CAPTURE_PARTS_H
#define LB_CAPTURE_PARTS_H

#include "agent/capture/capture.h"

/*
 * What the files of capture/ call of each other. Fast side only, all of it;
 * nobody outside the room includes this.
 */

/* ---- turns.c ---- */

/*
 * Put a stream into its uid's queue, once.
 */
void lb_turns_make_ready(struct lb_capture *capture, struct lb_stream *stream);

/*
 * Take a stream out of its queue, if it is in it.
 */
void lb_turns_forget(struct lb_capture *capture, struct lb_stream *stream);

/*
 * The share of a uid, made if need be. When the table is full the last row is
 * shared by all later uids.
 */
struct lb_share *lb_turns_share(struct lb_capture *capture, uid_t uid);

/*
 * No room in the ring for a line of this stream: wait, or drop?
 *   seen_tail the ring's tail as it was before the record found no room
 *   returns   true: drop it, now | false: wait; the stream is marked stalled and made ready when room returns
 */
bool lb_turns_no_room(struct lb_capture *capture, struct lb_stream *stream, uint64_t seen_tail,
                      uint64_t now_ns);

/*
 * The stream waits; it is made ready when the ring has room again.
 */
void lb_turns_stall(struct lb_capture *capture, struct lb_stream *stream);

/*
 * A record found room: whatever stall there was is over.
 */
void lb_turns_found_room(struct lb_capture *capture);

/*
 * Publish the fast side's commit, wipe what staging freed, and knock at the
 * slow side's door if it asked for that.
 *   has_urgent  the turn put an urgent record
 */
void lb_turns_publish(struct lb_capture *capture, bool has_urgent);

/*
 * The ring has untold losses to receive: try soon.
 */
void lb_turns_tell_later(struct lb_capture *capture);

/*
 * Set up the door and the timers.
 *   returns   0 | negative errno of epoll_ctl
 */
int lb_turns_start(struct lb_capture *capture);

/* ---- feed.c ---- */

enum lb_fed {
    LB_FED_IDLE = 0, /* nothing more now */
    LB_FED_MORE,     /* its turn is over, it has more */
    LB_FED_STALLED,  /* waits for room in the ring */
    LB_FED_ENDED,    /* the pipe ended and all of it is committed */
};

/*
 * One turn of one stream: splice, split, shape, put, publish.
 */
enum lb_fed lb_feed_stream(struct lb_capture *capture, struct lb_stream *stream, uint64_t now_ns);

/*
 * Stage the payload of a DATA packet and feed its lines.
 *   returns   0 taken and committed | -EAGAIN no room now, nothing was taken: offer it again
 */
int lb_feed_packet(struct lb_capture *capture, struct lb_stream *stream, const struct lb_proto_data *packet,
                   const void *payload, size_t len);

/* ---- streams.c ---- */

/*
 * Set up the timer and take over what recovery left.
 */
void lb_streams_start(struct lb_capture *capture);

/*
 * Take over what recovery left in the slots; they wait for their clients.
 */
void lb_streams_adopt_all(struct lb_capture *capture, uint64_t now_ns);

/*
 * The stream of an id, if a slot has it and the uid is the same.
 *   returns   a slot, or -1
 */
int64_t lb_streams_find(const struct lb_capture *capture, uint64_t stream_id, uid_t uid);

/*
 * Make a stream for a peer that has none.
 *   returns   its slot | -ENOSPC no slot is free
 */
int64_t lb_streams_new(struct lb_capture *capture, struct lb_peer *peer);

/*
 * Tie a peer to the stream in a slot (which may be an orphan).
 */
void lb_streams_tie(struct lb_capture *capture, struct lb_peer *peer, uint32_t slot);

/*
 * A peer that has no stream yet shows its pipe: if a client before it, of the
 * same user, service and tags, left a stream that reads or did read this pipe,
 * the peer goes on with that one, and with the line that was begun in it.
 *   pipe_fd     stays the caller's
 */
void lb_streams_reclaim(struct lb_capture *capture, struct lb_peer *peer, int pipe_fd);

/*
 * Begin to read a pipe for a peer.
 *   pipe_fd     becomes the stream's on success
 *   returns     0 | -EEXIST this pipe is read already | -EINVAL not the read end of a pipe
 *               | -ENOSPC no slot | other negative errno
 */
int lb_streams_attach(struct lb_capture *capture, struct lb_peer *peer, int pipe_fd);

/*
 * The stream ended and all of it is committed: free its slot, tell its client.
 */
void lb_streams_end(struct lb_capture *capture, struct lb_stream *stream);

/*
 * The peer is gone: the stream goes on without it, or waits for its return.
 */
void lb_streams_untie(struct lb_capture *capture, struct lb_stream *stream, bool said_bye);

/*
 * What staging can free when it has no chunk left: the stream with the oldest
 * begun line among those of uid, or of all when uid is (uid_t)-1, goes out cut.
 */
void lb_streams_close_early(struct lb_capture *capture, struct lb_stream *wanting);

/* ---- intake.c ---- */

/*
 * Tell a peer that its stream ended, and hang up.
 */
void lb_intake_end(struct lb_capture *capture, struct lb_peer *peer);

/*
 * Let peers whose DATA waited for room go on.
 */
void lb_intake_resume(struct lb_capture *capture);

/*
 * A packet, or the end, from a peer (struct lb_watch).
 *   peer      a struct lb_peer; may be gone afterwards
 */
void lb_intake_on_peer(void *peer, uint32_t events);

/*
 * Tell a peer why it is turned away, count and log it, and hang up.
 *   reason    one line, for people
 */
void lb_intake_refuse(struct lb_capture *capture, struct lb_peer *peer, const char *reason);

/*
 * Close a connection and free its peer; its stream goes on without it.
 */
void lb_intake_hang_up(struct lb_capture *capture, struct lb_peer *peer);

/* ---- listen.c ---- */

/*
 * Bind intake.sock and start to listen.
 *   returns   0 | negative errno
 */
int lb_intake_start(struct lb_capture *capture, int dir_fd);

/*
 * Hang up on everybody.
 */
void lb_intake_stop(struct lb_capture *capture);

/* ---- peer_name.c ---- */

/*
 * The systemd unit of a process, without ".service", from its cgroup.
 *   returns   length of the name in buf | 0 it is in none
 */
size_t lb_peer_unit(pid_t pid, char *buf, size_t size);

/*
 * Who writes a peer's pipe: the process that it names, if that is of its own
 * user (root may name any); else the peer itself, for whom else it may not speak.
 *   pid, uid  of the peer, by the kernel
 */
pid_t lb_peer_speaker(pid_t pid, uid_t uid, uint32_t claimed_pid);

/*
 * A service name for a process: its unit, else its program, made legal.
 */
size_t lb_peer_service(pid_t pid, char *buf, size_t size);

/*
 * May this peer call itself by this service name (design.md 4: the name of a
 * unit only from that unit, its user, or root)?
 */
bool lb_peer_may_name(pid_t pid, uid_t uid, const char *name, size_t len);

#endif
