/* SPDX-License-Identifier: MIT */
/*
 * An actor from a C program, without Lua: open a runtime, launch the stock kernel `echo`, ask it
 * something, wait for the answer, and meet an error.
 *
 *   make -C examples/embed-in-c run
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "ringkernel.h"

#define SECOND_NS UINT64_C(1000000000)

/* The payload of `Echo`, laid out as lua/ringkernel/stock.lua declares it. */
typedef struct echo_message {
  uint64_t seq;
  double value;
  char text[48];
} echo_message;

/* Waits up to five seconds for the reply to `call`. */
static int await_reply(rk_runtime *rt, rk_call *call, rk_received *reply) {
  for (;;) {
    int rc = rk_call_poll(call, reply);
    if (rc != RK_EEMPTY) { return rc; }
    rc = rk_runtime_wait(rt, 5 * SECOND_NS);
    if (rc != RK_OK && rc != RK_EINTR) { return rc; } /* RK_EINTR: a signal came; look again */
  }
}

/* Sends one message and prints what comes back. */
static int ask(rk_runtime *rt, rk_actor *echo, const echo_message *message, rk_error *err) {
  rk_call *call = NULL;
  rk_received reply;
  uint32_t type = 0;
  size_t size = 0;
  int rc = rk_actor_type(echo, "Echo", &type, &size, err);
  if (rc != RK_OK) { return rc; }
  rc = rk_call_open(echo, type, message, sizeof(*message), NULL, &call, err);
  if (rc != RK_OK) { return rc; }
  rc = await_reply(rt, call, &reply);
  if (rc == RK_OK) {
    echo_message answer;
    memcpy(&answer, reply.data, sizeof(answer)); /* the view ends with the call */
    printf("echo answered: seq %" PRIu64 ", value %.2f, \"%s\"\n", answer.seq, answer.value,
           answer.text);
  } else {
    (void)rk_error_set(err, rc, "no reply from '%s': %s", rk_actor_name(echo), rk_status_name(rc));
  }
  rk_call_close(call);
  return rc;
}

int main(void) {
  rk_error err = RK_ERROR_INIT;
  rk_runtime *rt = NULL;
  rk_kernel *kernel = NULL;
  rk_actor *echo = NULL;
  rk_actor *again = NULL;
  const echo_message message = { .seq = 42, .value = 0.25, .text = "hello from C" };
  const rk_runtime_options options = { .backend = "auto", .spin_us = -1 };
  const rk_launch_options launch = { .name = "echo", .queue = 64, .block = -1 };

  int rc = rk_runtime_open(&options, &rt, &err);
  if (rc != RK_OK) { goto done; }
  rc = rk_kernel_stock("echo", &kernel, &err);
  if (rc != RK_OK) { goto done; }
  rc = rk_actor_launch(rt, kernel, &launch, &echo, NULL, &err);
  if (rc != RK_OK) { goto done; }
  printf("launched '%s', it is %s\n", rk_actor_name(echo), rk_actor_state(echo));

  rc = ask(rt, echo, &message, &err);
  if (rc != RK_OK) { goto done; }

  /* A failure is a code and a text; nothing is half done. */
  if (rk_actor_launch(rt, kernel, &launch, &again, NULL, &err) == RK_EEXISTS) {
    printf("a second one: %s (code %s)\n", err.text, rk_status_name(RK_EEXISTS));
  }

done:
  if (rc != RK_OK) { fprintf(stderr, "hello: %s\n", err.text); }
  rk_actor_release(again);
  rk_actor_release(echo);
  rk_kernel_close(kernel);
  rk_runtime_close(rt);
  return rc == RK_OK ? 0 : 1;
}
