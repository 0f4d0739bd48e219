"""What is looked at before Keras opens a file: container, allowed layers, graph, shapes, counts, older dialects."""
