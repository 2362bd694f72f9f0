-- What a closed incident says of its end. Those that were closed before keep the end of the last look.
UPDATE help_row SET text = 'end of the last step that was looked at, ns; of a closed one, of the last look that found it bad'
  WHERE view_name = 'incident' AND column_name = 'updated_ns';
UPDATE help_row SET text = 'when it had been calm for localise.close_after, ns; NULL while open'
  WHERE view_name = 'incident' AND column_name = 'closed_ns';
