/* SPDX-License-Identifier: MIT */
/*
 * Dead letters: messages that were accepted and cannot be handled, kept with the reason, newest
 * last.
 *
 * Bounded: past the limit the oldest is forgotten; the count of all there ever were stays.
 */
#include "runtime/internal.h"

void rk__dead_letter(rk_runtime *rt, const rk_abi_msg *header, const void *data, uint8_t reason)
{
  rk_nvtx_mark(RK_NVTX_DEAD_LETTER, header->id, rk_dead_reason_name(reason));
  if (rt->trace.on != 0 && (header->flags & RK_MSG_DEAD) == 0) { /* else its block has told */
    rk__trace_moment(rt, RK_TRACE_DEAD, header, reason);
  }
  rk_abi_msg letter = *header;
  letter.flags = (uint16_t)(letter.flags | RK_MSG_DEAD);
  letter.reason = reason;
  rt->stats.dead_letters += 1;
  rk__event(rt, RK_EVENT_DEAD_LETTER, rk__registry_by_reference(rt, header->dest), 0,
            rk_dead_reason_name(reason), header->id);
  if (rt->letters.count >= rt->letters_limit) {
    rk_mailbox_drop_oldest(&rt->letters);
  }
  (void)rk_mailbox_push(&rt->letters, &letter, data); /* out of memory: counted above, not kept */
}

int rk_runtime_dead_letter(rk_runtime *rt, size_t index, rk_received *out, uint64_t *dest)
{
  uint32_t to = 0;
  if (!rk_mailbox_peek(&rt->letters, index, out, &to)) {
    return RK_ENOT_FOUND;
  }
  if (dest != NULL) {
    *dest = to;
  }
  return RK_OK;
}

void rk_runtime_dead_letters_clear(rk_runtime *rt)
{
  while (rt->letters.count != 0) {
    rk_mailbox_drop_oldest(&rt->letters);
  }
}

const char *rk_dead_reason_name(uint8_t reason)
{
  static const char *const names[] = {"none",    "terminated", "deadline", "type",
                                      "corrupt", "failed",     "full",     "late"};
  return reason < sizeof(names) / sizeof(names[0]) ? names[reason] : "unknown";
}
