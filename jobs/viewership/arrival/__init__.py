"""Find uploads that have arrived: announced by events, or new below the folder of uploads.

A step does::

    for found in arrivals(settings):              # events first, then listed objects that no event named
        if isinstance(found, BadEvent):
            set_aside = refuse_event(settings, found)
            continue
        chosen = settings.model_copy(update=found.overrides)
        begin(settings, found, run_id)            # counts an attempt, in case reading kills the process
        ...                                       # take the object at found.uri
        settle(settings, found, "taken", upload_id=…, code=None, message=None, run_id=…)
    notify_waiting(settings, run_id)              # once, at the end; in a cluster, the exit hook does it

``settle`` takes ``taken`` (stored, or linked to the same bytes), ``waiting`` (for a choice or for an answer on an
overlap), ``refused`` (permanently, whatever the flags) or ``failed`` (retried by the next poll, up to
``--max-attempts`` times). Errors that every object would hit, such as a database or a store that does not answer, end
the step and are not counted (``ends_the_poll``, ``is_counted``).
:func:`~jobs.viewership.arrival.search.named_arrival` returns the arrival of an object that the user named, so that the
next poll leaves it alone.
"""
