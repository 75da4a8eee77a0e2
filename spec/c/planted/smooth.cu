/* SPDX-License-Identifier: MIT */
/*
 * Code that crashes in several ways, for compile_test.c, which expects the report of each crash to
 * name the line that is marked here, although all of it is inlined into one function.
 */
#line 7 "smooth.cu"

static volatile int zero;

extern int raise(int);

/* Keeps the calls apart that the compiler would merge. */
static void after(void)
{
  zero = 0;
}

static void write_badly(void)
{
  *(volatile int *)(unsigned long)(0x10 + zero) = 1; /* line 20 */
}

static void divide_badly(void)
{
  zero = 7 / zero; /* line 25 */
}

static void trap(void)
{
  __builtin_trap(); /* line 30 */
}

static void call_badly(void)
{
  void (*volatile f)(void) = 0;
  f(); /* line 36 */
  after();
}

static int deepen(volatile char *above)
{
  volatile char here[4096];
  here[0] = *above;
  return deepen(here) + here[0] + above[1];
}

static void overflow_stack(void)
{
  char c[2] = {1, 1};
  zero = deepen(c);
}

static void send_signal(void)
{
  raise(11);
  after();
}

void answer(int what)
{
  switch (what) {
    case 0:
      write_badly();
      break;
    case 1:
      divide_badly();
      break;
    case 2:
      trap();
      break;
    case 3:
      call_badly();
      break;
    case 4:
      overflow_stack();
      break;
    case 5:
      send_signal();
      break;
  }
}
