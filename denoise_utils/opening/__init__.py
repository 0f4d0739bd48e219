"""What is looked at before Keras opens a file: container, admitted settings, graph, table of layers, counts, reach."""
