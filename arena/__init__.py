"""Arena: blind side-by-side battles between your own models, in one process.

The life of a battle goes one way:

    browser                     server
    POST /conversations ─────▶  views.conversations.create   read the form, refuse nonsense
                                  router.draw                  who is up; matchmaker: two of them, by weight
                                  store.open_conversation      the row exists before anything runs
                                  live                         a task a side; the server owns the generation
    303 /conversations/ID ◀──
    GET  /conversations/ID ──▶  views.conversations.show     the same partials, from live or from the store
    GET  .../ID/events ──────▶  views.events                 one SSE stream for both sides, resumable
                                  router.stream -> backend     deltas; failover only before the first token
                                  markdown                     a finished block once, the open one again
                                  store.finish_answer          text, tokens, times: kept before it is shown as done
    POST .../ID/vote ────────▶  store.cast_vote              on disk before the reply; then blind.faces has names

A conversation with models chosen by name (side by side, or a chat with one) goes the same way without a draw:
`named` says who may be chosen and which parameters they take. Pictures and documents are handed in before the
prompt is sent (`views.attachments`): `images` and `documents` read them, each in a process of its own.

Each layer imports only from those above it (`lint-imports` keeps this):

    words                                       the words of the interface, in the language of its reader
    errors  patience                            what can go wrong, one class a reaction; waits that end
    config                                      config.toml, frozen
    tables  backend  conversation               what is stored; what answers; the rules of a conversation
    endpoints  prompts  language                files of FastChat; prompts to start from; the language of a text
    rating  workers                             votes -> ratings; processes that read what strangers send
    providers  engines  matchmaker  markdown    hosted APIs; vLLM; who meets whom; answers -> HTML
    blind  named  images  documents             what may leave before the vote; choice by name; files
    appraisal  texts                            what a vote is to the board; pages of the operator
    router  store                               model -> backend; all SQL
    live  board  export  metrics                turns in flight; the leaderboard; files; what is counted
    intake  upkeep                              votes of other arenas; what a server does by itself
    views                                       HTML and SSE
    app                                         routes, lifespan
    cli                                         the command `arena`

Starlette appears only in `views` and `app`, SQLAlchemy only in `tables` and `store`, vLLM only in `engines`, httpx
only in `providers` and the commands. `pictures` draws for the views and knows nothing but `words`.

One name goes all the way through: `/history` is `views/history.py`, `history.html`, `store/history.py`,
`export/history.py` and `tests/test_history.py`.
"""
