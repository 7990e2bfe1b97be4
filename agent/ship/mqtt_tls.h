/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_MQTT_TLS_H
#define LB_SHIP_MQTT_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * TLS of a connection that libmosquitto makes to an address while the
 * certificate must be of a name: the library would check the address, and name
 * it in the handshake. OpenSSL checks the name here, and the handshake has it.
 */
struct lb_mqtt_tls {
    SSL_CTX *context;
    char host[256];       /* a name or an address */
    int verdict;          /* X509_V_OK, or what the certificate lacks */
    uint64_t finished_ns; /* the handshake's end, 0: not yet */
};

/*
 * Make ready: TLS 1.2 or later, verified.
 *   tls       stays where it is until closed
 *   ca, cert, key  files; ca "": those of the system; cert and key "": none
 *   why       size bytes; what is wrong with the files, for people
 *   returns   0 | -ENOMEM | -EINVAL why tells it
 *   calls     slow side; reads the files
 */
int lb_mqtt_tls_open(struct lb_mqtt_tls *tls, const char *host, const char *ca, const char *cert,
                     const char *key, char *why, size_t size);

/*
 * Let go; who holds the context keeps it. Nothing where it is not open.
 *   calls     slow side
 */
void lb_mqtt_tls_close(struct lb_mqtt_tls *tls);

/*
 * Is the certificate good but for the time?
 *   calls     any thread
 */
bool lb_mqtt_tls_is_clock_fault(const struct lb_mqtt_tls *tls);

#endif
