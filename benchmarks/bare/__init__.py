"""The physical limit: what a run asked of storage, asked again by the leanest client that there can be.

A run is recorded once, as the requests or statements that reached storage, whoever made them: a tape. Played again, it
is what our own code could at best come down to: the same operations with the same bytes and as many at once, and
nothing decided, encoded, decoded or kept in mind between them.
"""
